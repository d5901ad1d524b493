package h2

// life is the state of a connection. A drain takes two GOAWAY frames (RFC 9113 section 6.8):
//
//	+---------+  begin   +----------+  round trip  +---------+
//	| serving |--------->| draining |------------->| drained |
//	+---------+          +----------+              +---------+
//	     |                    |                         |
//	     +--------------------+------------+------------+
//	                                       | the peer's FIN
//	                                       v
//	                                  +---------+
//	                                  |  ended  |
//	                                  +---------+
//
// An error leads from each of them to failed, whose GOAWAY is the last frame. A client drains when it is told to, or
// by the server's GOAWAY. It is drained once no request is open, and sends one GOAWAY then.
type life uint8

const (
	stay     life = iota // entry of the table for an event without effect
	serving              // streams are accepted
	draining             // the peer was told to open no more, and those that it opens are accepted
	drained              // streams beyond the last GOAWAY's are refused
	ended                // the peer has sent its last byte
	failed               // the connection has an error
	lives
)

// lifeEvent is an event that may change the life of a connection.
type lifeEvent uint8

const (
	drainBegins lifeEvent = iota
	drainEnds
	inputEnds
	failure
	lifeEvents
)

var lifeTable = [lives][lifeEvents]life{
	serving:  {drainBegins: draining, inputEnds: ended, failure: failed},
	draining: {drainEnds: drained, inputEnds: ended, failure: failed},
	drained:  {inputEnds: ended, failure: failed},
	ended:    {failure: failed},
}

// advance applies e. It reports whether the life of the connection has changed.
func (c *machine) advance(e lifeEvent) bool {
	next := lifeTable[c.life][e]
	if next == stay {
		return false
	}
	c.life = next
	return true
}
