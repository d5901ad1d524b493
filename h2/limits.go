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
	// Several readers of large responses that a proxy multiplexes may be slow before the others
	// wait, and one peer cannot hold more memory than some hundred ordinary connections.
	defaultMaxUnsent = 8 << 20
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

// maxFields bounds the number of field lines: browsers send some 20, proxies some 40; each costs
// an application 32 bytes and a comparison whenever it looks for another.
const maxFields = 512

// directContent is the most content that Respond encodes at once, when nothing else waits to be
// sent: the response is done with, and its stream's storage free, before the next request comes.
// More would be copied twice for nothing.
const directContent = 2 << 10

// directOutput is how much output may wait while responses are encoded at once; beyond it
// streams stay open, and MaxConcurrentStreams bounds what a peer that reads nothing can pile up.
const directOutput = 64 << 10

// frameContent is the most content that one frame carries, whatever the peer takes: what is more
// urgent waits for one frame at most, which is 13 µs at 10 Gbit/s.
const frameContent = 16 << 10

// leastFrame is the content that a frame is given even if less room is left, so that the end of a
// turn does not leave a trail of tiny frames.
const leastFrame = 1 << 10

// maxPulls bounds the frames that one Transmit asks for, so that a Source which always resumes and
// never gives anything cannot keep the caller for ever.
const maxPulls = 1 << 14

// tableSize is the dynamic table that a peer's header blocks may use, the protocol's default
// (RFC 9113 section 6.5.2): proxies gain from it, and an idle connection pays for what was used.
const tableSize = 4096

// maxSignal is how many bytes of priority fields a request may have read; a Priority Field Value has
// some ten, and more cannot be worth reading each time.
const maxSignal = 256

// maxScratch is the most memory that decoding of strings keeps between blocks.
const maxScratch = 64 << 10

// maxBlockFrames bounds the frames of one header block (CVE-2024-27316): a section of the
// greatest default size fits five, and no client is known to send small ones.
const maxBlockFrames = 64

// maxAnswers bounds the frames that wait because the peer makes us answer and reads nothing: some
// 50 KB.
const maxAnswers = 4096

// maxOutput bounds what waits of answers that were encoded at once, when there are more of them
// than a peer that reads can have left unread: 4 KB for each of the default number of streams.
const maxOutput = 1 << 20

// leastProgress is the content in bytes that has to leave within StallTimeout for a stream to count
// as progressing, and the least worth a WINDOW_UPDATE of its own.
const leastProgress = 256

// earlyGrace is how long a request may go on after its response: longer than a round trip.
const earlyGrace = time.Second

// allowance is a budget: burst units at once, and back for each exchange or frame of content that
// was completed (perWork) and each second.
type allowance struct {
	burst              uint16
	perWork, perSecond uint16
}

// allowances are the budgets that are counted; BlockBudget and QueueBudget are maxBlockFrames and
// maxAnswers.
var allowances = [budgets]allowance{
	// A gRPC client that hedges cancels half of what it asks for, and a proxy cancels all that
	// is open when its own client leaves. An attack resets 100,000 a second.
	ResetBudget: {burst: 1000, perWork: 1, perSecond: 100},
	// A peer that respects the protocol makes hardly any mistake.
	ProvokedBudget: {burst: 500, perWork: 1, perSecond: 20},
	// A client may open a thousand streams before it has read our SETTINGS.
	RefusedBudget: {burst: 2000, perWork: 1, perSecond: 20},
	// Each costs the decoding of a large block.
	OversizeBudget: {burst: 100, perWork: 1, perSecond: 5},
	// gRPC measures the bandwidth with a PING for each round trip in which content moved.
	PingBudget: {burst: 1000, perWork: 2, perSecond: 50},
	// SETTINGS rightly change a few times in a connection's life.
	SettingsBudget: {burst: 100, perWork: 0, perSecond: 5},
	// Some libraries flush with an empty frame now and then.
	EmptyBudget: {burst: 500, perWork: 1, perSecond: 20},
	// Browsers send one or two for a request.
	PriorityBudget: {burst: 1000, perWork: 4, perSecond: 50},
	// A simple client sends two for each frame of content that it receives; see earnUpdates.
	WindowBudget: {burst: 2000, perWork: 4, perSecond: 100},
	// An upload that we reset may have a whole connection window on its way, in frames of 1 KB.
	StrayBudget: {burst: 2000, perWork: 2, perSecond: 50},
	// Extensions are rare; some clients grease.
	UnknownBudget: {burst: 1000, perWork: 1, perSecond: 50},
}
