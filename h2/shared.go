package h2

import "time"

// Shared is what the connections of one loop have in common: configuration, the date, storage
// that is idle, counters.
type Shared struct {
	Stats Stats

	cfg Config
}

// NewShared checks cfg and returns a Shared for one loop.
func NewShared(cfg Config) (*Shared, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Shared{cfg: cfg}, nil
}

// Tick tells the time. The caller does so at the begin of every turn; the date that responses
// carry is encoded again at most once a second.
func (sh *Shared) Tick(now time.Time) {}
