package h2

import (
	"encoding/binary"

	"github.com/gatewheel/gatewheel/internal/moment"
)

// Opaque data of our PINGs, by which their acknowledgements are told apart.
const (
	pingDrain     = 0x67775f647261696e
	pingKeepAlive = 0x67775f616c697665
	pingEOF       = 0x67775f5f66696e3f
	pingReset     = 0x67775f7265736574
	pingCaller    = 0x67775f5f70696e67
	pingGrowth    = 0x67775f67726f7774
)

// ping answers PING, or handles the acknowledgement of one of ours (RFC 9113 section 6.7).
func (c *machine) ping(h frameHeader, payload []byte) *ConnError {
	if h.stream != 0 {
		return c.fail(CodeProtocolError, "PING on a stream")
	}
	opaque := binary.BigEndian.Uint64(payload)
	if !h.has(flagAck) {
		if err := c.spend(PingBudget); err != nil {
			return err
		}
		return c.answer(appendPing(c.output(), flagAck, opaque))
	}
	switch {
	case c.role.pong(opaque), c.measured(opaque):
	case opaque == pingKeepAlive && c.flags&pinged != 0:
		c.flags &^= pinged
		c.timers[keepAliveTimer] = moment.After(c.sh.now, c.sh.cfg.KeepAlive)
	default:
		return c.spend(PingBudget)
	}
	return nil
}
