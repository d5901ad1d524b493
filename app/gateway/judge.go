package gateway

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
)

// judge records what the status of a response that came after that time says about p. It
// reports whether it says something. probe: the try decides about the return of p.
func (p *peer) judge(status int, probe bool, took time.Duration, now time.Time) bool {
	if !p.counted {
		return false
	}
	switch status {
	case 502, 503, 504:
		p.failed(probe, false, &app.StatusError{Status: status}, now)
	default:
		p.succeeded(probe, took, now)
	}
	return true
}

// leaveAfter ends a try, and records what its end says about p, unless p was judged by a
// response.
func (p *peer) leaveAfter(judged, probe bool, reason Reason, failure *client.Error, now time.Time) {
	p.leave()
	if judged || !p.counted {
		return
	}
	var err error
	if failure != nil {
		err = failure
	}
	switch reason {
	case ConnectFail, ConnectTimeout, TLSFail:
		p.failed(probe, true, err, now)
	case HeadTimeout:
		p.failed(probe, false, err, now)
	case UpstreamReset, UpstreamEOF, UpstreamMalformed:
		if failure == nil || !failure.Safe {
			p.failed(probe, false, err, now)
			return
		}
		p.abandoned(probe) // the peer has refused a stream: it is busy
	default:
		p.abandoned(probe)
	}
}

// failureReason returns the Reason of a failure; OK for nil.
func failureReason(failure *client.Error) Reason {
	if failure == nil {
		return OK
	}
	return reasonOf(failure)
}
