package h2

import "time"

// Sizes that RFC 9113 fixes.
const (
	protocolWindow    = 65535     // section 6.9.2: every window before SETTINGS or WINDOW_UPDATE change it
	maxWindow         = 1<<31 - 1 // section 6.9.1: no window may exceed it
	protocolFrameSize = 16384     // section 4.2: the frame payload that everyone must accept
	maxFrameSize      = 1<<24 - 1 // section 4.2: the largest length that fits 24 bits
	maxStreamID       = 1<<31 - 1 // section 5.1.1
)

// Defaults of Config.
const (
	// A proxy sends all its traffic over a few connections. With 100, the least that section 6.5.2
	// recommends, its requests would queue.
	defaultMaxConcurrentStreams = 250
	// With this much in flight an upload reaches 1 GB/s at a round trip of 1 ms, and sixteen
	// streams can fill their windows before one waits for another.
	defaultConnectionWindow = 1 << 20
	// A response of 64 KiB arrives without a wait for a WINDOW_UPDATE.
	defaultResponseWindow = 80 << 10
	// So many connection windows may be unconsumed before the connection's window closes: some
	// sixty stalled uploads do not slow the others.
	connectionBufferWindows = 4
	// 800 MB/s at a round trip of 20 ms.
	defaultMaxWindow = 16 << 20
	// Eight uploads at the full size; further ones get less.
	defaultWindowMemory = 128 << 20
	// Several slow readers behind one proxy do not make the others wait, and a peer that reads
	// nothing holds no more memory than this and one response.
	defaultMaxUnsent = 8 << 20
	// Large cookies and tokens fit; nginx and net/http have similar limits.
	defaultMaxHeaderListSize = 64 << 10
	minHeaderListSize        = 1 << 10  // less would refuse ordinary requests
	maxHeaderListSize        = 16 << 20 // more would let one request fill memory

	defaultSettingsTimeout  = 10 * time.Second // enough for a slow network and a busy peer
	defaultBlockTimeout     = 10 * time.Second // a header block occupies the whole connection until it ends
	defaultStallTimeout     = 60 * time.Second // a peer that reads nothing for a minute has gone
	defaultDrainTimeout     = time.Second      // longer than a round trip, shorter than a restart
	drainedBlockTimeout     = time.Second / 10 // the rest of a header block that began before the last GOAWAY
	defaultKeepAliveTimeout = 20 * time.Second // what gRPC uses
	defaultMaxAgeGrace      = 30 * time.Second
)

// maxFields is the limit of field lines in a section. Browsers send some 20, proxies some 40. Each
// costs the application 32 bytes, and a comparison in every lookup.
const maxFields = 512

// largeWindow is the size in bytes above which a window is opened by an eighth of it at a time, and not by half: a frame
// for each 128 KiB costs little.
const largeWindow = 1 << 20

// directContent is the most content in bytes that Respond encodes immediately, if nothing else waits to
// be sent. The stream's storage is then free before the next request. More content would be copied
// twice.
const directContent = 2 << 10

// directOutput is how much output in bytes may wait for responses to be encoded immediately. Beyond it
// streams stay open, so that MaxConcurrentStreams bounds the output for a peer that reads nothing.
const directOutput = 64 << 10

// frameContent is the most content in bytes that a frame carries, even if the peer accepts more. More
// urgent content waits for one frame, 13 µs at 10 Gbit/s.
const frameContent = 16 << 10

// leastFrame is the room in bytes for the content of a frame even if the caller has less, so that a
// turn does not end with tiny frames.
const leastFrame = 1 << 10

// maxPulls is the limit of frames in one Transmit, so that a Source that always resumes and has nothing
// cannot hold the caller for ever.
const maxPulls = 1 << 14

// tableSize is the size in bytes of the dynamic table for received header blocks, the protocol's
// default (RFC 9113 section 6.5.2). Proxies gain from it, and memory is allocated as it is used.
const tableSize = 4096

// maxSignal is how many bytes of priority fields are parsed for a request. A Priority Field Value has
// about ten.
const maxSignal = 256

// maxScratch is the most memory in bytes that decoding keeps for the next block.
const maxScratch = 64 << 10

// maxBlockFrames is the limit of frames in a header block (CVE-2024-27316). A section of the default
// limit fits five, and no client is known to send small ones.
const maxBlockFrames = 64

// maxAnswers is the limit of queued frames that answer the peer's, some 50 KB, if it reads nothing.
const maxAnswers = 4096

// maxOutput is the limit in bytes of queued output with more answers than MaxConcurrentStreams, as many
// as a peer that reads can leave unread: 4 KB for each stream.
const maxOutput = 1 << 20

// leastProgress is how much content in bytes has to leave within StallTimeout for a stream not to count
// as stalled, and the least that justifies a WINDOW_UPDATE.
const leastProgress = 256

// firstStreams is how many requests a client sends before it knows the server's limit. RFC 9113 section
// 6.5.2 recommends that servers allow 100.
const firstStreams = 100

// unlimitedStreams is the limit of open requests to a server that states none.
const unlimitedStreams = 1000

// maxInterims is the limit of interim responses to a request, as in h1. Servers send one or two.
const maxInterims = 32

// strayAfterReset is how many frames of a response in flight a client's reset earns for StrayBudget: HEADERS, trailers
// and a window of DATA.
const strayAfterReset = 8

// encoderTable is the most bytes of the dynamic table by which a client encodes requests, and maxEntries
// its most entries: enough for what the requests to one server have in common, and quick to search.
const (
	encoderTable = 4096
	maxEntries   = 32
)

// A field line is added to the table when it occurs for the second time, and a path for the third: most paths
// change with each request. neverAdd stands for lines that no hop may index. The counts fit two bits.
const (
	neverAdd      = 0
	lineSightings = 2
	pathSightings = 3
)

// insertEvery is how many requests earn one new entry of a full encoder's table, so that values which
// repeat, and too many of them, cost no allocation a request.
const insertEvery = 8

// shortSecret is the length in bytes below which a cookie could be guessed by how well it compresses (RFC 7541
// section 7.1.3), as in other implementations.
const shortSecret = 20

// earlyGrace is how long a request may go on after its response. It is longer than a round trip.
const earlyGrace = time.Second

// allowance is the size of a budget: burst units, refilled by perWork for each completed response or
// DATA frame and by perSecond each second.
type allowance struct {
	burst              uint16
	perWork, perSecond uint16
}

// allowances are the sizes of budgets. BlockBudget and QueueBudget are limited by maxBlockFrames,
// maxAnswers and maxOutput. docs/http2.md has the same table.
var allowances = [budgets]allowance{
	// A gRPC client that hedges cancels half of its requests, and a proxy cancels all that are
	// open when its client leaves. An attack resets 100,000 a second.
	ResetBudget: {burst: 1000, perWork: 1, perSecond: 100},
	// A peer that follows the protocol makes hardly any mistake.
	ProvokedBudget: {burst: 500, perWork: 1, perSecond: 20},
	// A client may open a thousand streams before it has read our SETTINGS.
	RefusedBudget: {burst: 2000, perWork: 1, perSecond: 20},
	// Each costs the decoding of a large block.
	OversizeBudget: {burst: 100, perWork: 1, perSecond: 5},
	// gRPC measures the bandwidth with a PING for each round trip in which content moved.
	PingBudget: {burst: 1000, perWork: 2, perSecond: 50},
	// SETTINGS change a few times in a connection's life.
	SettingsBudget: {burst: 100, perWork: 0, perSecond: 5},
	// Some libraries flush with an empty frame now and then.
	EmptyBudget: {burst: 500, perWork: 1, perSecond: 20},
	// Browsers send one or two for each request.
	PriorityBudget: {burst: 1000, perWork: 4, perSecond: 50},
	// A simple client sends two for each DATA frame that it receives; see earnUpdates.
	WindowBudget: {burst: 2000, perWork: 4, perSecond: 100},
	// An upload that we reset may have a whole connection window in flight, in frames of 1 KB.
	StrayBudget: {burst: 2000, perWork: 2, perSecond: 50},
	// Extensions are rare; some clients send reserved types to test servers (RFC 8701).
	UnknownBudget: {burst: 1000, perWork: 1, perSecond: 50},
}
