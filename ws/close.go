package ws

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// CloseCode is the reason in a Close frame. RFC 6455 section 7.4 and the IANA
// WebSocket Close Code Number registry.
type CloseCode uint16

const (
	CloseNormal             CloseCode = 1000
	CloseGoingAway          CloseCode = 1001
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003
	CloseNoStatus           CloseCode = 1005 // the Close frame was empty; never sent
	CloseAbnormal           CloseCode = 1006 // there was no Close frame; never sent
	CloseInvalidPayload     CloseCode = 1007
	ClosePolicyViolation    CloseCode = 1008
	CloseTooBig             CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
)

// Sendable reports whether a Close frame may carry the code: one that is registered
// for that, or of a framework (3000 to 3999) or an application (4000 to 4999).
// RFC 6455 section 7.4.2.
func (code CloseCode) Sendable() bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// Close starts the closing handshake: it queues a Close frame, after which nothing
// else can be sent. Messages that the peer still sends are skipped. CloseNoStatus
// stands for a frame without a code. The errors are ErrClosed, ErrCode and ErrReason.
// RFC 6455 section 7.1.2.
func (c *Conn) Close(code CloseCode, reason string) error {
	switch {
	case !c.state.mayClose():
		return ErrClosed
	case !code.Sendable() && (code != CloseNoStatus || reason != ""):
		return ErrCode
	case len(reason) > maxReason || !utf8.ValidString(reason):
		return ErrReason
	}
	c.queueClose(code, reason)
	c.state = transitions[c.state][sendClose]
	return nil
}

// queueClose queues a Close frame and starts the time of the closing handshake.
// Messages in progress in both directions are dropped.
func (c *Conn) queueClose(code CloseCode, reason string) {
	var payload []byte
	if code != CloseNoStatus {
		var room [maxControl]byte
		payload = binary.BigEndian.AppendUint16(room[:0], uint16(code))
		payload = append(payload, reason...)
	}
	c.frame(bitFin|byte(opClose), payload)
	c.closeBy = moment.After(c.sh.now, c.set.closeTimeout())
	c.drop()
}

// drop releases the memory of messages in progress and for later messages.
func (c *Conn) drop() {
	c.dropInflation()
	c.dropContext()
	c.sending = sendingNone
	c.pong = c.sh.give(c.pong)
}

// gotClose handles the peer's Close frame, and answers it unless it is the answer to
// ours.
func (c *Conn) gotClose(payload []byte, ev *Event) error {
	code, reason, err := c.readClose(payload)
	if err != nil {
		return err
	}
	if c.state.mayClose() {
		// RFC 6455 section 5.5.1: the answer typically echoes the code.
		c.queueClose(code, "")
	} else {
		c.drop()
	}
	c.closeBy = moment.After(c.sh.now, c.set.closeTimeout())
	c.state = transitions[c.state][gotClose]
	ev.Kind, ev.Code, ev.Reason = Close, code, reason
	return nil
}

// readClose reads the payload of a Close frame.
func (c *Conn) readClose(payload []byte) (CloseCode, string, error) {
	if len(payload) == 0 {
		return CloseNoStatus, "", nil
	}
	if len(payload) == 1 {
		// RFC 6455 section 5.5.1: the payload begins with a two-byte code.
		return 0, "", c.fail(CloseProtocolError, "close frame with one byte of a code")
	}
	code := CloseCode(binary.BigEndian.Uint16(payload))
	if !code.Sendable() {
		// RFC 6455 section 7.4.1: 1005, 1006 and 1015 are never sent. Section 7.4.2:
		// neither are codes outside the ranges.
		return 0, "", c.fail(CloseProtocolError, "close code that may not be sent")
	}
	if !validUTF8(payload[2:]) {
		// RFC 6455 section 8.1.
		return 0, "", c.fail(CloseInvalidPayload, "close reason is not valid UTF-8")
	}
	return code, string(payload[2:]), nil
}

// fail fails the connection (RFC 6455 section 7.1.7) and returns the *Error of
// the first failure.
func (c *Conn) fail(code CloseCode, reason string) error {
	if c.state.mayClose() && code.Sendable() {
		c.queueClose(code, reason)
	} else {
		c.drop()
	}
	c.state = transitions[c.state][violate]
	c.closeBy = moment.After(c.sh.now, c.set.closeTimeout())
	if c.err == nil {
		c.err = &Error{Code: code, Reason: reason}
	}
	return c.err
}

// EOF handles the end of the input or of the transport, and ends the connection. EOF returns nil if the closing handshake was complete or
// the connection had failed, and otherwise an *Error with CloseAbnormal. RFC 6455
// section 7.1.5.
func (c *Conn) EOF() error {
	c.ended = true
	if c.state.over() {
		return nil
	}
	return c.fail(CloseAbnormal, "connection ended without a close frame")
}

// Done reports whether the caller should end the transport: the connection is over
// and all output was transmitted. A client lets the server end the transport first:
// it is done at EOF, or when Expire fails it. RFC 6455 section 7.1.1.
func (c *Conn) Done() bool {
	if !c.state.over() || c.Queued() > 0 {
		return false
	}
	return c.role == Server || c.state == failed || c.ended
}
