package ws

import "time"

const (
	// DefaultMessage is the default of Settings.Message: the size of the largest
	// message in the Autobahn testsuite.
	DefaultMessage = 16 << 20

	// DefaultRatio is the default of Settings.Ratio: several times the ratio of large
	// texts, a tenth of the largest that DEFLATE has.
	DefaultRatio = 100

	// DefaultCompressFrom is the default of Settings.CompressFrom. Smaller messages
	// would gain a few bytes, and fit one packet in any case.
	DefaultCompressFrom = 128

	// DefaultCloseTimeout is the default of Settings.CloseTimeout: a few round trips
	// in a bad mobile network.
	DefaultCloseTimeout = 5 * time.Second

	// DefaultMessageTimeout is the default of Settings.MessageTimeout: what a message
	// of DefaultMessage bytes takes at half a megabit per second.
	DefaultMessageTimeout = 5 * time.Minute

	// DefaultPongTimeout is the default of Settings.PongTimeout: longer than a mobile
	// network needs to wake a radio.
	DefaultPongTimeout = 20 * time.Second
)

const (
	// maxControl is the size of the largest payload of a control frame.
	// RFC 6455 section 5.5.
	maxControl = 125

	// maxReason is the size of the longest reason in a Close frame, behind the code.
	maxReason = maxControl - 2

	// maxHeader is the size of the longest frame header: two bytes, an eight-byte
	// length and a masking key. RFC 6455 section 5.2.
	maxHeader = 14

	// maxQueuedPongs bounds the unsent pongs in bytes, so that a peer that pings and
	// does not read costs little memory. About thirty of the largest pings can arrive
	// at once and be answered; of the later ones only the latest is.
	maxQueuedPongs = 4 << 10

	// packedSlack is the number of bytes that a compressed message may have in
	// addition to nine eighths of its text: even an empty message has a block, and
	// short fragments have many.
	packedSlack = 4 << 10

	// deflateWork is the number of bytes that can be inflated in the time in which
	// one is compressed.
	deflateWork = 4

	// maxFinalBlocks bounds the DEFLATE streams in one message: more than one make
	// no sense, though RFC 7692 section 7.2.3.4 allows them.
	maxFinalBlocks = 64

	// maxPackedScratch is the size of the largest compressor output whose buffer a
	// loop keeps.
	maxPackedScratch = 256 << 10

	// plainSize is the size of the largest piece of an inflated message.
	plainSize = 32 << 10

	// maxInflations is the number of idle inflations that a loop keeps, of about 40
	// KiB each. One is enough unless messages are incomplete.
	maxInflations = 4

	// maxUnfinished is the number of compressed messages that may be incomplete on a
	// loop, which takes 40 MiB. For one more the oldest is dropped.
	maxUnfinished = 1024

	// unmaskSize is the size of the piece in which compressed input is unmasked: what
	// the decoder does not consume has to be masked again.
	unmaskSize = 4 << 10

	// freeInflation is the size in bytes up to which Settings.Ratio does not apply.
	freeInflation = 1 << 20

	// tableWork is the number of bytes that can be inflated in the time in which a
	// Huffman table is built.
	tableWork = 512

	// maxHistory is the number of bytes of earlier text that flate.StatelessDeflate
	// can use.
	maxHistory = 8 << 10

	// partSize is the number of bytes that one call compresses. It takes less than a
	// millisecond.
	partSize = 64 << 10

	// copyUpTo is the size in bytes up to which a prepared message is copied behind
	// its frame header, so that a queue can refer to one piece.
	copyUpTo = 16 << 10

	// refFrom is the size in bytes from which queues refer to a prepared frame. A
	// copy of a smaller one fits the smallest buffer.
	refFrom = 256

	// maxTail is the size in bytes up to which the tail of a queue is moved to a
	// larger buffer, rather than followed by another one.
	maxTail = 32 << 10

	// maxSpareBytes bounds the spare buffers of one capacity that a loop keeps.
	maxSpareBytes = 1 << 20
)

// MaxContext is the largest memory in bytes that an idle connection holds in addition
// to its Conn: the windows of both directions, if both have context takeover.
const MaxContext = 32<<10 + maxHistory

// Settings are the limits and times of a connection. Many connections share one value,
// which must not change once Init was called with it. The zero value is ready: zero
// stands for the default.
type Settings struct {
	// Message is the size of the largest message accepted, in bytes after inflation;
	// default DefaultMessage. A larger one fails the connection with CloseTooBig.
	Message int64
	// Frame is the size of the largest frame payload accepted, in bytes before
	// inflation; default unlimited. A larger one fails with CloseTooBig.
	Frame int64
	// Ratio is the largest ratio of the text to the compressed bytes in a message of
	// more than 1 MiB; default DefaultRatio, negative means unlimited. A larger one
	// fails with CloseTooBig.
	Ratio int
	// Fragment is the size of the largest frame payload sent, in bytes; default
	// unlimited. It does not apply to prepared messages.
	Fragment int
	// CompressFrom is the size in bytes from which messages are compressed, where that
	// was negotiated; default DefaultCompressFrom, negative means never.
	CompressFrom int

	// KeepAlive is the time without a byte from the peer after which it is pinged;
	// default never.
	KeepAlive time.Duration
	// PongTimeout is the time without a byte after that ping; default
	// DefaultPongTimeout. Then the connection fails with CloseGoingAway.
	PongTimeout time.Duration
	// MessageTimeout is the time from the first frame header of a message to its last
	// byte; default DefaultMessageTimeout, negative means unlimited. Beyond it the
	// connection fails with ClosePolicyViolation.
	MessageTimeout time.Duration
	// Idle is the time without a message in either direction after which the
	// connection is closed with CloseGoingAway; default never.
	Idle time.Duration
	// CloseTimeout is the time for the peer's Close frame, and then for the end of the
	// transport; default DefaultCloseTimeout.
	CloseTimeout time.Duration
}

func (s *Settings) message() int64 {
	if s.Message > 0 {
		return s.Message
	}
	return DefaultMessage
}

func (s *Settings) frame() int64 {
	if s.Frame > 0 {
		return s.Frame
	}
	return 1<<63 - 1
}

// packed returns the size of the largest compressed message.
func (s *Settings) packed() int64 {
	limit := s.message()
	if limit > 1<<62 {
		return limit
	}
	return limit + limit/8 + packedSlack
}

func (s *Settings) ratio() int64 {
	switch {
	case s.Ratio > 0:
		return int64(s.Ratio)
	case s.Ratio < 0:
		return 1<<63 - 1
	}
	return DefaultRatio
}

func (s *Settings) compresses(size int) bool {
	switch {
	case s.CompressFrom < 0:
		return false
	case s.CompressFrom == 0:
		return size >= DefaultCompressFrom
	}
	return size >= s.CompressFrom
}

func (s *Settings) pongTimeout() time.Duration {
	if s.PongTimeout > 0 {
		return s.PongTimeout
	}
	return DefaultPongTimeout
}

func (s *Settings) messageTimeout() time.Duration {
	if s.MessageTimeout > 0 {
		return s.MessageTimeout
	}
	return DefaultMessageTimeout
}

func (s *Settings) closeTimeout() time.Duration {
	if s.CloseTimeout > 0 {
		return s.CloseTimeout
	}
	return DefaultCloseTimeout
}
