package client

import "time"

// budget limits the retries of a loop to a share of its requests, so that a server in
// trouble does not get many times the load.
type budget struct {
	since    time.Time // start of the present period
	requests [2]int    // of the present period and the one before
	retries  [2]int
}

// request counts a request.
func (b *budget) request(now time.Time) {
	if age := now.Sub(b.since); age >= budgetTime {
		b.requests[1], b.retries[1] = b.requests[0], b.retries[0]
		b.requests[0], b.retries[0] = 0, 0
		if age >= 2*budgetTime {
			b.requests[1], b.retries[1] = 0, 0
		}
		b.since = now
	}
	b.requests[0]++
}

// retry counts a retry. It reports false if there were too many.
func (b *budget) retry() bool {
	requests, retries := b.requests[0]+b.requests[1], b.retries[0]+b.retries[1]
	if retries >= max(minRetries, requests/retryShare) {
		return false
	}
	b.retries[0]++
	return true
}
