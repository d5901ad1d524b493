package h2

import "time"

// Sizes that RFC 9113 fixes.
const (
	protocolWindow    = 65535     // section 6.9.2: every window before SETTINGS or WINDOW_UPDATE change it
	maxWindow         = 1<<31 - 1 // section 6.9.1: no window may ever exceed it
	protocolFrameSize = 16384     // section 4.2: the frame payload that everybody must take
	maxFrameSize      = 1<<24 - 1 // section 4.2: the largest that 24 bits of length can tell
	maxStreamID       = 1<<31 - 1 // section 5.1.1
)

// Defaults of Config.
const (
	// A proxy in front of us multiplexes its whole traffic over a few connections, so 100, the
	// least that section 6.5.2 recommends, would make it queue.
	defaultMaxConcurrentStreams = 250
	// One fast upload reaches 1 GB/s within a network (1 ms) with this much in flight; sixteen
	// streams may fill their windows before one waits for another.
	defaultConnectionWindow = 1 << 20
	// What is received is credited to the connection at once while no more than this many
	// windows are unconsumed, so that some sixty stalled uploads do not hold up the others.
	connectionBufferWindows = 4
	// Large cookies and tokens fit; nginx and net/http are in the same region.
	defaultMaxHeaderListSize = 64 << 10
	minHeaderListSize        = 1 << 10  // less would refuse ordinary requests
	maxHeaderListSize        = 16 << 20 // more would let one request fill memory

	defaultSettingsTimeout  = 10 * time.Second // a round trip and a busy peer; longer only helps those who hold connections open
	defaultBlockTimeout     = 10 * time.Second // a header block occupies the whole connection until it ends
	defaultStallTimeout     = 60 * time.Second // a reader who takes nothing for a minute has gone
	defaultDrainTimeout     = time.Second      // longer than a round trip, short beside a restart
	defaultKeepAliveTimeout = 20 * time.Second // what gRPC uses
	defaultMaxAgeGrace      = 30 * time.Second
)
