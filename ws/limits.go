package ws

import "time"

const (
	// DefaultMessage is the largest message accepted, counted after inflation,
	// where Settings.Message is zero. It is the largest that the Autobahn
	// testsuite sends.
	DefaultMessage = 16 << 20

	// DefaultRatio is how many times its compressed size a message of more than
	// 1 MiB may inflate to: several times what large texts do, a tenth of what
	// DEFLATE can do at most.
	DefaultRatio = 100

	// DefaultCompressFrom is the size from which messages are compressed. Below
	// it the deflate blocks gain a few bytes at most, and the message fits one
	// packet either way.
	DefaultCompressFrom = 128

	// DefaultCloseTimeout is how long the peer may take to answer a Close frame,
	// and a server to end the connection afterwards: a few round trips of a bad
	// mobile network.
	DefaultCloseTimeout = 5 * time.Second

	// DefaultMessageTimeout is how long a message may take: the largest one over
	// half a megabit a second.
	DefaultMessageTimeout = 5 * time.Minute

	// DefaultPongTimeout is how long the peer may be silent after a keep-alive
	// ping: longer than a mobile network needs to wake a radio.
	DefaultPongTimeout = 20 * time.Second
)

const (
	// maxControl is the largest payload of a control frame.
	// RFC 6455 section 5.5.
	maxControl = 125

	// maxReason is what a Close frame has left for the reason after the code.
	maxReason = maxControl - 2

	// maxHeader is the longest frame header: two bytes, an eight-byte length and
	// a masking key. RFC 6455 section 5.2.
	maxHeader = 14

	// maxQueuedPongs bounds the bytes of unsent pongs, so that a peer that pings
	// and does not read costs no memory. Some thirty full pings may come in one
	// read and are all answered; of those beyond only the latest is.
	maxQueuedPongs = 4 << 10

	// packedSlack is how much longer than its message a compressed form may be
	// beyond an eighth: an empty message has one, and short fragments add block
	// headers.
	packedSlack = 4 << 10

	// deflateWork is the work of compressing a byte, as that of inflating so many.
	deflateWork = 4

	// maxFinalBlocks bounds the deflate streams in one message, of which there
	// are more than one only if the sender sets BFINAL. Each costs a reset of the
	// inflater for as little as two bytes.
	maxFinalBlocks = 64

	// maxPackedScratch is the compressor's output that a loop keeps room for.
	maxPackedScratch = 256 << 10

	// plainSize is the piece in which an inflated message is handed out. A
	// message up to this size comes as one event.
	plainSize = 32 << 10

	// maxInflations is how many idle inflations a loop keeps, of about 40 KiB
	// each. More are in use only while compressed messages are incomplete.
	maxInflations = 4

	// maxUnfinished is how many compressed messages may be incomplete on a loop: 40
	// MiB. For one more, the oldest is given up.
	maxUnfinished = 1024

	// unmaskSize is the compressed input that is unmasked at once: what the
	// decoder does not take of it is masked again.
	unmaskSize = 4 << 10

	// freeInflation is the text in bytes up to which a message may inflate to any
	// number of times its compressed size.
	freeInflation = 1 << 20

	// tableWork is the work of building a Huffman table, as that of inflating so
	// many bytes.
	tableWork = 512

	// maxHistory is the plain text that the compressor remembers for context
	// takeover: what flate.StatelessDeflate can use.
	maxHistory = 8 << 10

	// partSize is the text in bytes that one call compresses: it takes less than a
	// millisecond.
	partSize = 64 << 10

	// copyUpTo is the size in bytes up to which a prepared message is copied, along
	// with its frame header, so that a queue refers to one piece.
	copyUpTo = 16 << 10

	// refFrom is the size of a prepared frame from which connections refer to it
	// instead of copying it: below, a copy fits a buffer of the smallest size.
	refFrom = 256

	// maxTail is how far the tail of an output queue grows by copying before a
	// new one is started behind it.
	maxTail = 32 << 10

	// maxSpareBytes bounds the idle output buffers of one size that a loop keeps.
	maxSpareBytes = 1 << 20
)

// MaxContext is the memory that an idle connection with permessage-deflate
// holds at most beyond its Conn, in bytes: the windows of both directions, if
// both keep their context. A direction without context takeover holds nothing.
const MaxContext = 32<<10 + maxHistory

// Settings are the limits and times of a connection. One value is shared by
// many connections and must not change once the first of them has begun.
// The zero value is usable: a zero size or timeout means the named default.
type Settings struct {
	// Message is the largest message accepted, in bytes after inflation.
	// A longer one fails the connection with CloseTooBig.
	Message int64
	// Frame is the largest frame payload accepted, in bytes as sent; zero: as
	// large as Message allows.
	Frame int64
	// Ratio is how many times its compressed size a message of more than 1 MiB may
	// inflate to; negative: any number of times.
	Ratio int
	// Fragment cuts messages that are sent into frames of at most so many
	// payload bytes; zero: a message is one frame.
	Fragment int
	// CompressFrom is the size in bytes from which messages are compressed, if
	// permessage-deflate was negotiated; negative: never.
	CompressFrom int

	// KeepAlive is the silence of the peer after which it is pinged; zero: never.
	KeepAlive time.Duration
	// PongTimeout is how much longer the peer may be silent after that ping.
	PongTimeout time.Duration
	// MessageTimeout is how long a message may take from its first frame to the end
	// of its last one; negative: for ever.
	MessageTimeout time.Duration
	// Idle is the time without a message in either direction after which the
	// connection is closed with CloseGoingAway; zero: never.
	Idle time.Duration
	// CloseTimeout is how long the closing handshake may take.
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

// packed bounds the compressed form of a message.
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
