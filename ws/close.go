package ws

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// CloseCode says why a connection was closed. RFC 6455 section 7.4 and the IANA
// registry that it founded.
type CloseCode uint16

const (
	CloseNormal             CloseCode = 1000
	CloseGoingAway          CloseCode = 1001
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003
	CloseNoStatus           CloseCode = 1005 // never sent: the Close frame was empty
	CloseAbnormal           CloseCode = 1006 // never sent: there was no Close frame
	CloseInvalidPayload     CloseCode = 1007
	ClosePolicyViolation    CloseCode = 1008
	CloseTooBig             CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
)

// Sendable tells whether the code may stand in a Close frame: it is registered
// for that, or belongs to frameworks (3000 and up) or applications (4000 to
// 4999). RFC 6455 section 7.4.2.
func (code CloseCode) Sendable() bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014:
		return true
	}
	return code >= 3000 && code <= 4999
}

// Close begins the closing handshake: it queues a Close frame behind what is
// queued already, after which nothing else can be sent. Messages that still
// come from the peer are read past. CloseNoStatus sends a frame without a code.
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
	c.goodbye(code, reason)
	c.state = transitions[c.state][sendClose]
	return nil
}

// goodbye queues a Close frame and starts the clock of the closing handshake.
// What was begun in either direction is given up.
func (c *Conn) goodbye(code CloseCode, reason string) {
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

// drop lets go of everything that is held for a message in progress and for
// messages to come.
func (c *Conn) drop() {
	c.dropInflation()
	c.dropContext()
	c.sending = nothing
	c.pong = c.sh.give(c.pong)
}

// gotClose takes the payload of the peer's Close frame and answers it, if it is
// not itself the answer to ours.
func (c *Conn) gotClose(payload []byte, ev *Event) error {
	code, reason, err := c.readClose(payload)
	if err != nil {
		return err
	}
	if c.state.mayClose() {
		// RFC 6455 section 5.5.1: the answer typically echoes the code.
		c.goodbye(code, "")
	} else {
		c.drop()
	}
	c.closeBy = moment.After(c.sh.now, c.set.closeTimeout())
	c.state = transitions[c.state][gotClose]
	ev.Kind, ev.Code, ev.Reason = Close, code, reason
	return nil
}

// readClose checks a Close frame's payload.
func (c *Conn) readClose(payload []byte) (CloseCode, string, error) {
	if len(payload) == 0 {
		return CloseNoStatus, "", nil
	}
	if len(payload) == 1 {
		// RFC 6455 section 5.5.1: a body begins with a two-byte code.
		return 0, "", c.fail(CloseProtocolError, "close frame with half a code")
	}
	code := CloseCode(binary.BigEndian.Uint16(payload))
	if !code.Sendable() {
		// RFC 6455 section 7.4.1: 1005, 1006 and 1015 are never sent; section
		// 7.4.2: nor is what lies outside the ranges.
		return 0, "", c.fail(CloseProtocolError, "close code that may not be sent")
	}
	if !validUTF8(payload[2:]) {
		// RFC 6455 section 8.1.
		return 0, "", c.fail(CloseInvalidPayload, "close reason is not valid UTF-8")
	}
	return code, string(payload[2:]), nil
}

// fail ends the connection: RFC 6455 section 7.1.7.
func (c *Conn) fail(code CloseCode, reason string) error {
	if c.state.mayClose() && code.Sendable() {
		c.goodbye(code, reason)
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

// EOF tells that the peer will send nothing more. It returns nil if the closing
// handshake was complete or the connection had failed before, and else an
// *Error with CloseAbnormal, after which the connection is over.
// RFC 6455 section 7.1.5.
func (c *Conn) EOF() error {
	c.ended = true
	if c.state.over() {
		return nil
	}
	return c.fail(CloseAbnormal, "connection ended without a close frame")
}

// Done tells that all is said and all output has been pulled, so that the
// transport is to be ended. A client leaves it to the server to end it first and
// is done at EOF; Expire ends its patience. RFC 6455 section 7.1.1.
func (c *Conn) Done() bool {
	if !c.state.over() || c.Queued() > 0 {
		return false
	}
	return c.role == Server || c.state == failed || c.ended
}
