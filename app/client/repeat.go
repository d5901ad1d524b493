package client

import "errors"

// mayRepeat reports whether a call that has failed with err may be sent again, and counts
// it.
//
//	failure                                          | any method | idempotent
//	never sent, refused stream, beyond GOAWAY's last | yes        | yes
//	a reused connection ends before any byte         | no         | yes
//	no tunnels over HTTP/2, nothing sent             | yes        | yes
//	no connection                                    | retries    | retries
//	a new connection ends before any byte            | no         | retries
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
		again := isIdempotent(c.out.Method) && silent // nothing of a tunnel is sent before its response
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
	case ConnectFail, ConnectTimeout, TLSFail, NoPeer, Overflow:
		if !err.Safe {
			return false
		}
	default:
		return false
	}
	return c.permitted()
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
