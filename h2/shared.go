package h2

import (
	"time"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Shared is what the connections of one loop have in common: configuration, time, storage that
// is idle, counters. All of it belongs to the loop's goroutine.
type Shared struct {
	Stats Stats

	cfg    Config
	hello  []byte
	base   time.Time
	now    instant
	second uint32 // since base
	wall   int64  // Unix second that date shows
	date   []byte // the date field, encoded
	serial uint64 // of the last connection

	section  section
	scratch  []byte // for strings while they are decoded
	memos    [memos]requestMemo
	lastHead headMemo
	probe    [1]byte // for asking a Source for its end

	streams   *stream // linked by next
	idle      int     // streams in it
	slots     [slotClasses][][]*stream
	buffers   [][]byte
	buffered  int // bytes that buffers can hold
	schedules []*schedule
	blocks    []*block
	notices   [][]notice
}

// NewShared checks cfg and returns a Shared for one loop. Call Tick before the first connection.
func NewShared(cfg Config) (*Shared, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Shared{cfg: cfg, hello: serverHello(&cfg)}, nil
}

// Tick tells the time. The caller does so at the begin of every turn; the date that responses
// carry is encoded again at most once a second.
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

// jitter spreads ages around the maximum: from half the span below to half above.
func (sh *Shared) jitter(place float64) time.Duration {
	return time.Duration((place - 0.5) * float64(sh.cfg.MaxAgeJitter))
}

// maxBlock bounds an encoded header block. It leaves room for one that is above the limit of
// field sections, which is decoded all the same and answered with 431.
func (sh *Shared) maxBlock() int { return 2 * int(max(sh.cfg.MaxHeaderListSize, protocolFrameSize)) }
