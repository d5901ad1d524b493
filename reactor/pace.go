//go:build linux

package reactor

import (
	"time"

	"golang.org/x/sys/unix"

	rate "github.com/gatewheel/gatewheel/internal/pace"
)

// pace has the kernel's counters of a connection at the start of a measurement.
type pace struct {
	began bool
	acked uint64 // bytes that the peer has acknowledged
	busy  uint64 // microseconds for which output has waited for that
}

// ReadsBelow reports whether the peer has acknowledged output at less than so many bytes a second on average. It measures
// from a call with output in Queued to the first such call after output has waited for the peer for window, and then
// anew: time in which the session had no output does not count. A call without output in Queued ends a measurement. It is
// false on unix sockets. It costs a system call if there is output in Queued. On the loop.
func (c *Conn) ReadsBelow(bytes int, window time.Duration) bool {
	if c.Queued() == 0 {
		if c.rare != nil {
			c.rare.pace = pace{}
		}
		return false
	}
	info, err := unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return false
	}
	p := &c.ensureRare().pace
	before := *p
	now := pace{began: true, acked: info.Bytes_acked, busy: info.Busy_time}
	waited := time.Duration(now.busy-before.busy) * time.Microsecond
	if before.began && waited < window {
		return false
	}
	*p = now
	return before.began && rate.Below(int64(now.acked-before.acked), waited, bytes)
}
