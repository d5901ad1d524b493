package client

import (
	"errors"
	"slices"
	"time"
)

// Retry is when a call is sent again for a failure after which that is not always safe. It
// does not change. The zero Retry is none.
type Retry struct {
	// Tries limits the further tries: after a failure to connect; and, if the method allows
	// it, after a new connection that ends before any byte of a response, after Timeout, and
	// after a response with one of Statuses.
	Tries int
	// Statuses are those of responses that are dropped for another try, unless content would
	// have to be sent again that is not kept.
	Statuses []int
	// Methods are the methods whose requests a server may process twice; nil: the idempotent
	// ones (RFC 9110 section 9.2.2).
	Methods []string
	// Timeout limits a try until the head of its response, waiting for a connection
	// included. 0 is no limit.
	Timeout time.Duration
}

var noRetry Retry

var errTryTimeout = errors.New("the try has taken too long")

// mayRepeat reports whether a call that has failed with err may be sent again, and counts
// it.
//
//	failure                                          | any method | see mayRepeatProcessed
//	never sent, refused stream, beyond GOAWAY's last | yes        | yes
//	a reused connection ends before any byte         | no         | yes
//	no tunnels over HTTP/2, nothing sent             | yes        | yes
//	no connection                                    | retries    | retries
//	a new connection ends before any byte            | no         | retries
//	the try has taken too long                       | no         | retries
//	anything after a byte of a response              | no         | no
func (c *Call) mayRepeat(err *Error) bool {
	if c.state >= callHeaded || c.upload != nil && !c.upload.isWhole() {
		return false
	}
	silent := c.up == nil || !c.up.ReceivedAny()
	switch err.Kind {
	case Drained:
		switch {
		case !err.Safe:
			return false
		case !c.origin.closed.Load():
			// The peer takes requests on another connection; they are no load in excess.
			return c.repeat(false)
		}
	case UpstreamReset, UpstreamEOF:
		again := c.mayRepeatProcessed() && silent // nothing of a tunnel is sent before its response
		switch {
		case !err.Safe && !again:
			return false
		case err.Safe && !err.Sent:
			return c.repeat(false)
		case err.Safe || c.reused:
			return c.repeat(true)
		}
	case UpstreamMalformed:
		// ErrNoTunnels: the Events may know another origin.
		return err.Safe && c.repeat(false)
	case NoSocket:
		// No server has work by the next try, and another one may be reached.
		return err.Safe && c.extra > 0 && c.repeat(false)
	case HeadTimeout:
		if !errors.Is(err.Err, errTryTimeout) || !err.Safe && !c.mayRepeatProcessed() {
			return false
		}
	case ConnectFail, ConnectTimeout, TLSFail, NoPeer, Overflow:
		if !err.Safe {
			return false
		}
	default:
		return false
	}
	return c.permitted()
}

// mayRepeatAfter reports whether a call is sent again in place of its response with that
// status, and counts it.
func (c *Call) mayRepeatAfter(status int) bool {
	return c.state == callStarted && slices.Contains(c.retry.Statuses, status) && c.out.Protocol == "" && c.mayRepeatProcessed() &&
		(c.upload == nil || c.upload.isWhole()) && c.permitted()
}

// mayRepeatProcessed reports whether a server may process the request twice.
func (c *Call) mayRepeatProcessed() bool {
	if c.retry.Methods != nil {
		return slices.Contains(c.retry.Methods, c.out.Method)
	}
	return isIdempotent(c.out.Method)
}

// repeat counts a try that needs no permission, and whether it is one of those that the
// budget limits.
func (c *Call) repeat(limited bool) bool {
	if c.repeats >= maxRepeats || limited && !c.loop.budget.retry() {
		return false
	}
	c.repeats++
	return true
}

// permitted counts a try that the caller permits.
func (c *Call) permitted() bool {
	if c.extra == 0 || !c.loop.budget.retry() {
		return false
	}
	c.extra--
	return true
}

// isIdempotent reports whether a request with that method may be processed twice. RFC 9110
// section 9.2.2.
func isIdempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// asError returns err as an *Error; nil for nil.
func asError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Kind: UpstreamMalformed, Sent: true, Err: err}
}
