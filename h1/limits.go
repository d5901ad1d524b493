package h1

// Limits bounds the memory and the work that a peer can cause on a connection. A
// zero field means the default named in its comment.
type Limits struct {
	Target    int   // bytes of a request target: DefaultTarget. More is 414
	Fields    int   // field lines of a head, and of trailers: DefaultFields. More is 431
	FieldSize int   // bytes of all field lines together: DefaultFieldSize. More is 431
	Pipelined int   // requests that wait for their responses: DefaultPipelined. More are not read
	Unsent    int   // bytes of responses given whole that have not been pulled: DefaultUnsent. No request is read above it
	Content   int64 // bytes of one request's content: no limit. More is 413
	Discard   int64 // bytes of content that are discarded after a response to keep the connection: DefaultDiscard
}

const (
	// DefaultTarget: RFC 9112 section 3 asks for request lines of at least
	// 8000 bytes; browsers and proxies stop near the same size.
	DefaultTarget = 8192
	// DefaultFields is well above what browsers behind several proxies send
	// (about 40) and keeps the work of one head small.
	DefaultFields = 128
	// DefaultFieldSize has room for a few large cookies and a token; the
	// reactor may hold as much for every connection whose head is incomplete.
	DefaultFieldSize = 64 << 10
	// DefaultPipelined is above what load generators keep in flight by habit
	// (16) while a connection's waiting requests stay within some 100 KB.
	DefaultPipelined = 64
	// DefaultUnsent keeps a peer that sends requests and reads no responses from
	// filling memory.
	DefaultUnsent = 8 << 20
	// DefaultDiscard: reading a quarter of a megabyte costs less than a new
	// connection with TLS; beyond that closing is cheaper for both sides.
	DefaultDiscard = 256 << 10
)

const (
	// maxMethod: the longest registered method has 17 bytes. RFC 9110 section
	// 9.1 leaves a longer one than any known to 501.
	maxMethod = 64
	// maxInterims bounds the interim responses to one request: a server that sends
	// hints sends a few, one without end keeps a request from being answered.
	maxInterims = 32
	// maxBlank: RFC 9112 section 2.2 wants at least one empty line before a
	// request line to be ignored; old clients sent one after a POST.
	maxBlank = 4
	// maxExtension bounds the extensions of one chunk. They are not in use.
	maxExtension = 1 << 10
	// maxExtensions bounds those of a whole content, so that a body of empty
	// words cannot keep a loop busy unseen by the content's limit.
	maxExtensions = 16 << 10
	// maxGathered bounds the content of small chunks that is emitted as one event,
	// and the scratch memory of a loop for it.
	maxGathered = 4 << 10
	// maxSmall is the size of the largest chunk that counts as small: above, an
	// event costs less than its content.
	maxSmall = 256
	// maxSizeDigits are all that a 64-bit chunk size needs; the bound also
	// ends endless leading zeros.
	maxSizeDigits = 16
	// maxChunk is the most that four hexadecimal digits describe: a chunk that
	// we write starts with a header of fixed width.
	maxChunk = 0xffff
	// maxFree bounds the exchanges that a loop keeps for reuse; above, the
	// garbage collector takes them.
	maxFree = 1024
	// maxKeptHead is the largest head buffer that is kept with them.
	maxKeptHead = 4 << 10
)

// Both are counted in 16 bits.
const mostFields, mostPipelined = 1<<16 - 1, 1<<16 - 2

// setDefaults replaces zero fields.
func (l *Limits) setDefaults() {
	if l.Target <= 0 {
		l.Target = DefaultTarget
	}
	if l.Fields <= 0 {
		l.Fields = DefaultFields
	}
	l.Fields = min(l.Fields, mostFields)
	if l.FieldSize <= 0 {
		l.FieldSize = DefaultFieldSize
	}
	if l.Pipelined <= 0 {
		l.Pipelined = DefaultPipelined
	}
	l.Pipelined = min(l.Pipelined, mostPipelined)
	if l.Unsent <= 0 {
		l.Unsent = DefaultUnsent
	}
	if l.Discard <= 0 {
		l.Discard = DefaultDiscard
	}
}
