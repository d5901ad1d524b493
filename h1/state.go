package h1

// The states of a connection. A transition that is not in a table is illegal. Each role has a
// table of its own for what it reads; the states of content are the same in both.
//
// Reading of a server, one for a connection (RFC 9112 sections 2 to 7). A head leads to
// its content, the end of the content to the next head; one that may switch
// protocols (RFC 9110 sections 7.8 and 9.3.6) leads to a turn, where its response
// decides which protocol the following bytes belong to:
//
//	           ┌──────────────────────── headPlain ──┐
//	           ▼                                     │
//	┌───────► inHead ────────────────────────────────┘
//	│          │ │ └─ headTurn ───────────────────────────────► atTurn
//	│          │ │                                              ▲ │ │
//	│          │ headLength ─► inLength ── lengthRead ─┐        │ │ └ turnTaken ─► switched
//	│          │                                       │        │ │
//	│          headChunked                             ▼        │ │
//	│          │                                     atEnd ─────┘ │
//	│          ▼                                      ▲ │  endEmittedTurn
//	│  ┌─► inChunkLine ─ lastChunk ─► inTrailers ─────┘ │         │
//	│  │       │                      trailersRead      │         │
//	│  │   chunkBegun                                   │         │
//	│  │       ▼                                        │         │
//	│  │    inChunk ─ chunkRead ─► inChunkEnd           │         │
//	│  └──────────── chunkEnded ───────┘                │         │
//	└────────────── endEmitted, turnDeclined ───────────┴─────────┘
//
//	stopped leads from every state but switched to shut, takenOver from every state to switched.
//
// Answering, one for each request:
//
//	   informed
//	    ┌───┐
//	    ▼   │        responded           headPulled          contentPulled
//	unanswered ──────────────► answered ──────────► sending ──────────────► complete
//	    │   ◄──── revoked ──────── │                   │
//	    └────────── tore ──────────┴────── tore ───────┴──► torn
//
// Writing, one for a connection: open until the last response has been pulled
// (finished), a response is torn (cut), or another protocol takes over (left).
//
// Reading of a client, one for a connection (RFC 9112 section 6.3). A request leads to the
// head of its response, past interim ones; the end of the response leads back to the state
// in which every byte is an error:
//
//	    ┌──────────────── headPlain ──────────┐   ┌──┐ interimRead
//	    ▼                                     │   │  ▼
//	noResponse ──────── requested ───────────► inHead ── headTurn ─► switched
//	    ▲                                      │ │ │
//	    │                       ┌─ headLength ─┘ │ └─ headUntilEOF ─┐
//	    │                       ▼                │                  ▼
//	    │                    inLength       headChunked        inUntilEOF
//	    │                       │                │                  │
//	    │                   lengthRead           │               eofRead
//	    │                       ▼                │                  │
//	    └──── endEmitted ──── atEnd ◄────────────┼──────────────────┘
//	                            ▲                ▼
//	                       trailersRead   as in a server: inChunkLine,
//	                            └──────── inChunk, inChunkEnd, inTrailers
//
//	stopped leads from every state to shut.
//
// A client's request, one at a time. The next one is possible when this one is sent and its
// response has been read (exchangeOver):
//
//	              requestQueued            requestHeadPulled
//	   noRequest ───────────────► headQueued ──────────────► contentSending
//	       ▲                          │                         ▲      │
//	       │         requestHeadPulledHeld                      │ requestPulled
//	       │                          ▼                         │      ▼
//	       │                     contentHeld ── contentAllowed ─┘  requestSent
//	       └──────────────────────── exchangeOver ─────────────────────┘
//
//	requestGivenUp leads from every state to requestStopped.

type reading uint8

const (
	_          reading = iota // illegal
	noResponse                // no response is due (client)
	inHead
	inUntilEOF  // in content that ends with the connection (client)
	inLength    // in content of a known length
	inChunkLine // in the line before a chunk
	inChunk
	inChunkEnd // at the CR LF after a chunk
	inTrailers
	atEnd  // the content is complete, End is not emitted yet
	atTurn // another protocol may follow
	switched
	shut // nothing is interpreted any more
	readings
)

type readInput uint8

const (
	noInput readInput = iota
	headPlain
	headTurn
	headLength
	headChunked
	lengthRead
	chunkBegun
	lastChunk
	chunkRead
	chunkEnded
	trailersRead
	endEmitted
	endEmittedTurn
	turnDeclined
	turnTaken
	stopped
	requested
	interimRead
	headUntilEOF
	eofRead
	takenOver
	readInputs
)

// readingTable has the transitions of one role.
type readingTable [readings][readInputs]reading

var serverTable = readingTable{
	inHead:      {headPlain: inHead, headTurn: atTurn, headLength: inLength, headChunked: inChunkLine, stopped: shut, takenOver: switched},
	inLength:    {lengthRead: atEnd, stopped: shut, takenOver: switched},
	inChunkLine: {chunkBegun: inChunk, lastChunk: inTrailers, stopped: shut, takenOver: switched},
	inChunk:     {chunkRead: inChunkEnd, stopped: shut, takenOver: switched},
	inChunkEnd:  {chunkEnded: inChunkLine, stopped: shut, takenOver: switched},
	inTrailers:  {trailersRead: atEnd, stopped: shut, takenOver: switched},
	atEnd:       {endEmitted: inHead, endEmittedTurn: atTurn, stopped: shut, takenOver: switched},
	atTurn:      {turnDeclined: inHead, turnTaken: switched, stopped: shut, takenOver: switched},
	shut:        {stopped: shut, takenOver: switched},
}

var clientTable = readingTable{
	noResponse:  {requested: inHead, stopped: shut},
	inHead:      {interimRead: inHead, headPlain: noResponse, headTurn: switched, headLength: inLength, headChunked: inChunkLine, headUntilEOF: inUntilEOF, stopped: shut},
	inUntilEOF:  {eofRead: atEnd, stopped: shut},
	inLength:    {lengthRead: atEnd, stopped: shut},
	inChunkLine: {chunkBegun: inChunk, lastChunk: inTrailers, stopped: shut},
	inChunk:     {chunkRead: inChunkEnd, stopped: shut},
	inChunkEnd:  {chunkEnded: inChunkLine, stopped: shut},
	inTrailers:  {trailersRead: atEnd, stopped: shut},
	atEnd:       {endEmitted: noResponse, stopped: shut},
	switched:    {stopped: shut},
	shut:        {stopped: shut},
}

// step moves r along the table of its role, and reports whether it may.
func (r *reading) step(table *readingTable, in readInput) bool {
	next := table[*r][in]
	if next == 0 {
		return false
	}
	*r = next
	return true
}

// content reports whether content is still to come.
func (r reading) content() bool { return r >= inUntilEOF && r <= inTrailers }

type answering uint8

const (
	_          answering = iota // illegal
	unanswered                  // informational responses may leave
	answered                    // the final head waits to be pulled
	sending                     // the head is out, content follows
	complete
	torn // the response cannot be completed
	answerings
)

type answerInput uint8

const (
	informed answerInput = iota
	responded
	revoked
	headPulled
	contentPulled
	tore
	answerInputs
)

var answerTable = [answerings][answerInputs]answering{
	unanswered: {informed: unanswered, responded: answered, tore: torn},
	answered:   {revoked: unanswered, headPulled: sending, tore: torn},
	sending:    {contentPulled: complete, tore: torn},
}

// step moves a along the table, and reports whether it may.
func (a *answering) step(in answerInput) bool {
	next := answerTable[*a][in]
	if next == 0 {
		return false
	}
	*a = next
	return true
}

type writing uint8

const (
	_        writing = iota // illegal
	open                    // responses leave
	finished                // the last response is out, the connection is to be closed
	cut                     // a response was torn, the connection is to be closed at once
	left                    // another protocol writes
	writings
)

type writeInput uint8

const (
	lastPulled writeInput = iota
	answerTorn
	turnPulled
	writeInputs
)

var writeTable = [writings][writeInputs]writing{
	open: {lastPulled: finished, answerTorn: cut, turnPulled: left},
}

// step moves w along the table, and reports whether it may.
func (w *writing) step(in writeInput) bool {
	next := writeTable[*w][in]
	if next == 0 {
		return false
	}
	*w = next
	return true
}

// requesting is the state of a client's request.
type requesting uint8

const (
	_              requesting = iota // illegal
	noRequest                        // there is no request
	headQueued                       // the head waits to be pulled
	contentHeld                      // the head is out, content waits for a 100 (Continue)
	contentSending                   // the head is out, content follows
	requestSent                      // the request is complete
	requestStopped                   // no more of the request is sent, nor another one
	requestStates
)

type requestInput uint8

const (
	requestQueued requestInput = iota
	requestHeadPulled
	requestHeadPulledHeld
	contentAllowed
	requestPulled
	requestGivenUp
	exchangeOver
	requestInputs
)

var requestTable = [requestStates][requestInputs]requesting{
	noRequest:      {requestQueued: headQueued, requestGivenUp: requestStopped},
	headQueued:     {requestHeadPulled: contentSending, requestHeadPulledHeld: contentHeld, requestGivenUp: requestStopped},
	contentHeld:    {contentAllowed: contentSending, requestGivenUp: requestStopped},
	contentSending: {requestPulled: requestSent, requestGivenUp: requestStopped},
	requestSent:    {exchangeOver: noRequest, requestGivenUp: requestStopped},
	requestStopped: {requestGivenUp: requestStopped},
}

// step moves a along the table, and reports whether it may.
func (a *requesting) step(in requestInput) bool {
	next := requestTable[*a][in]
	if next == 0 {
		return false
	}
	*a = next
	return true
}

// read moves the reading side. An illegal pair is a fault of this package: the
// connection ends, so that no later input is misread.
func (c *Conn) read(in readInput) {
	if !c.reading.step(&serverTable, in) {
		c.reading = shut
		c.cutShort(errIllegal)
	}
}

// stop ends reading for good: no request follows the newest one.
func (c *Conn) stop() {
	c.ending = true
	if c.reading != switched {
		c.read(stopped)
	}
}
