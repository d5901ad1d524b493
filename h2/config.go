package h2

import (
	"fmt"
	"time"
)

// Config configures the connections of a loop. A zero field means its default.
type Config struct {
	MaxConcurrentStreams uint32 // 1 to 2^31-1; default 250
	InitialWindowSize    uint32 // bytes that a stream may send ahead of the application: 1 to 2^31-1; default 65535
	ResponseWindow       uint32 // the same of a Client's streams: 65535 to 2^31-1; default 80 KiB, or InitialWindowSize if that is larger
	ConnectionWindow     uint32 // bytes that all streams together may have in flight: 65535 to 2^31-1; default 1 MiB
	ConnectionBuffer     uint32 // bytes received and not consumed by the application, over all streams, in the server role: ConnectionWindow to 2^31-1; default 4 windows
	MaxWindow            uint32 // bytes to which the window of a stream may grow whose content is read as it arrives: 1 to 2^31-1; none grows beyond InitialWindowSize if this is less; default 16 MiB
	WindowMemory         uint32 // bytes by which windows of all connections of a loop may be larger than InitialWindowSize: 1 to 2^31-1; default 128 MiB
	MaxFrameSize         uint32 // bytes of the largest frame payload accepted: 16384 to 16777215; default 16384
	MaxUnsent            uint32 // bytes of unsent responses with Bytes, from which Congested reports true: 65535 to 2^31-1; default 8 MiB
	MaxHeaderListSize    uint32 // bytes of a field section as RFC 9113 section 6.5.2 counts them: 1024 to 16 MiB; default 65536

	EnableConnectProtocol bool // announce and accept extended CONNECT (RFC 8441)

	SettingsTimeout  time.Duration // for the client's preface, and for its acknowledgement of our SETTINGS; default 10 s
	BlockTimeout     time.Duration // from the start of a HEADERS frame to END_HEADERS; default 10 s
	StallTimeout     time.Duration // for leastProgress bytes of a response to leave; default 60 s
	DrainTimeout     time.Duration // for the round trip between the two GOAWAY frames of a drain; default 1 s
	KeepAlive        time.Duration // silence after which a PING is sent; default: no PING
	KeepAliveTimeout time.Duration // from the PING to any input; default 20 s
	MaxAge           time.Duration // age at which a connection is drained; default: none
	MaxAgeJitter     time.Duration // span over which the ages of connections are spread; default MaxAge/10
	MaxAgeGrace      time.Duration // from MaxAge to the end of the connection; default 30 s
}

// Validate fills in the defaults. It returns an error with the range if a value is out of range.
func (c *Config) Validate() error {
	fill(&c.MaxConcurrentStreams, defaultMaxConcurrentStreams)
	fill(&c.InitialWindowSize, protocolWindow)
	fill(&c.ResponseWindow, max(defaultResponseWindow, c.InitialWindowSize))
	fill(&c.ConnectionWindow, defaultConnectionWindow)
	fill(&c.ConnectionBuffer, uint32(min(maxWindow, connectionBufferWindows*uint64(c.ConnectionWindow))))
	fill(&c.MaxWindow, defaultMaxWindow)
	fill(&c.WindowMemory, defaultWindowMemory)
	fill(&c.MaxFrameSize, protocolFrameSize)
	fill(&c.MaxUnsent, defaultMaxUnsent)
	fill(&c.MaxHeaderListSize, defaultMaxHeaderListSize)
	fill(&c.SettingsTimeout, defaultSettingsTimeout)
	fill(&c.BlockTimeout, defaultBlockTimeout)
	fill(&c.StallTimeout, defaultStallTimeout)
	fill(&c.DrainTimeout, defaultDrainTimeout)
	fill(&c.KeepAliveTimeout, defaultKeepAliveTimeout)
	fill(&c.MaxAgeJitter, c.MaxAge/10)
	fill(&c.MaxAgeGrace, defaultMaxAgeGrace)
	for _, r := range []struct {
		name      string
		v, lo, hi uint32
	}{
		{"maximum of concurrent streams", c.MaxConcurrentStreams, 1, maxWindow},
		{"initial window size", c.InitialWindowSize, 1, maxWindow},
		{"response window", c.ResponseWindow, protocolWindow, maxWindow},
		{"connection window", c.ConnectionWindow, protocolWindow, maxWindow},
		{"connection buffer", c.ConnectionBuffer, c.ConnectionWindow, maxWindow},
		{"maximum window", c.MaxWindow, 1, maxWindow},
		{"window memory", c.WindowMemory, 1, maxWindow},
		{"maximum frame size", c.MaxFrameSize, protocolFrameSize, maxFrameSize},
		{"maximum of unsent bytes", c.MaxUnsent, protocolWindow, maxWindow},
		{"maximum header list size", c.MaxHeaderListSize, minHeaderListSize, maxHeaderListSize},
	} {
		if r.v < r.lo || r.v > r.hi {
			return fmt.Errorf("h2: %s %d is out of range: %d to %d", r.name, r.v, r.lo, r.hi)
		}
	}
	for _, d := range []time.Duration{c.SettingsTimeout, c.BlockTimeout, c.StallTimeout, c.DrainTimeout,
		c.KeepAlive, c.KeepAliveTimeout, c.MaxAge, c.MaxAgeJitter, c.MaxAgeGrace} {
		if d < 0 {
			return fmt.Errorf("h2: duration %v is negative", d)
		}
	}
	return nil
}

func fill[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
