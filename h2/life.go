package h2

// life is how far a connection has come. A drain takes two GOAWAY frames (RFC 9113 section 6.8):
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
// An error leads from each of them to failed, whose GOAWAY is the last frame.
type life uint8

const (
	stay     life = iota // what the table gives for a pair that it lacks: nothing happens
	serving              // streams are accepted
	draining             // the peer was told to open no more, and those that it opens are accepted
	drained              // streams beyond the last GOAWAY's are refused
	ended                // the peer has sent its last byte
	failed               // the connection has an error
	lives
)

// lifeEvent is what moves a connection.
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

// advance moves the connection on. It reports whether e means anything to it now.
func (c *Conn) advance(e lifeEvent) bool {
	next := lifeTable[c.life][e]
	if next == stay {
		return false
	}
	c.life = next
	return true
}
