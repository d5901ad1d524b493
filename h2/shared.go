package h2

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Shared is the state that the connections of one loop share: configuration, time, free storage and
// counters. It belongs to the loop's goroutine.
type Shared struct {
	Stats       Stats // of Conns
	ClientStats Stats // of Clients

	cfg    Config
	limits struct{ unsent, windows uint32 } // MaxUnsent and WindowMemory of NewShared
	hello  []byte
	client struct { // the preface that a client has sent last
		hello   []byte
		maxHead uint32
	}
	base   time.Time
	now    instant
	second uint32 // since base
	wall   int64  // Unix second of date
	date   []byte // encoded date field
	serial uint64 // of the last connection

	section  section
	scratch  []byte // for strings while they are decoded
	memos    [memos]headBlock
	lastHead headMemo
	probe    [1]byte // for sourceOver

	streams   *stream // free ones, linked by next
	idle      int     // number of them
	slots     [slotClasses][][]*stream
	buffers   [][]byte
	buffered  int // capacity of buffers in bytes
	schedules []*schedule
	blocks    []*block
	notices   []*notices
	grown     int64 // bytes that the windows of connections have grown by, see growth
}

// NewShared returns a Shared for one loop, or the error of cfg.Validate. Call Tick before Conn.Init.
func NewShared(cfg Config) (*Shared, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	sh := &Shared{cfg: cfg, hello: serverHello(&cfg)}
	sh.limits.unsent, sh.limits.windows = cfg.MaxUnsent, cfg.WindowMemory
	return sh, nil
}

// LimitMemory sets Config.MaxUnsent for all connections of the loop, and whether their windows may grow. An unsent of 0
// restores the value of NewShared. Windows that have grown stay as large until their content has ended: what the peer
// may send by them cannot be taken back.
func (sh *Shared) LimitMemory(unsent uint32, grow bool) {
	sh.cfg.MaxUnsent, sh.cfg.WindowMemory = sh.limits.unsent, 0
	if unsent > 0 && unsent < sh.limits.unsent {
		sh.cfg.MaxUnsent = unsent
	}
	if grow {
		sh.cfg.WindowMemory = sh.limits.windows
	}
}

// clientHello returns a client's preface.
func (sh *Shared) clientHello(maxHead uint32) []byte {
	if sh.client.hello == nil || sh.client.maxHead != maxHead {
		sh.client.hello, sh.client.maxHead = clientHello(&sh.cfg, maxHead), maxHead
	}
	return sh.client.hello
}

// Tick sets the time. Call it at the start of every turn. The date field of responses is encoded at
// most once a second.
func (sh *Shared) Tick(now time.Time) {
	if sh.base.IsZero() {
		sh.base = now
	}
	sh.now = sh.instant(now)
	if unix := now.Unix(); unix != sh.wall {
		sh.wall = unix
		sh.second = uint32(sh.now / instant(time.Second))
		var text [32]byte
		sh.date = encodeDate(sh.date[:0], string(octets.AppendDate(text[:0], now)))
	}
}

func (sh *Shared) instant(t time.Time) instant { return instant(t.Sub(sh.base)) + 1 }

func (sh *Shared) time(at instant) time.Time { return sh.base.Add(time.Duration(at - 1)) }

// jitter returns the deviation from MaxAge for a place in [0, 1): half of MaxAgeJitter either way.
func (sh *Shared) jitter(place float64) time.Duration {
	return time.Duration((place - 0.5) * float64(sh.cfg.MaxAgeJitter))
}

// maxBlock returns the limit in bytes of an encoded header block. It leaves room for sections above their
// limit, which are decoded and refused.
func maxBlock(maxHead uint32) int { return 2 * int(max(maxHead, protocolFrameSize)) }
