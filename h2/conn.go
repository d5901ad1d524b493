package h2

import "github.com/gatewheel/gatewheel/internal/moment"

// Conn is one connection in the server role. Embed it by value; it must not be copied after Init.
type Conn struct {
	machine
	early   streamList // streams whose response is complete and whose request is not
	aheadID StreamID   // the idle stream of the last PRIORITY_UPDATE
	ahead   priority
}

// Init makes c ready for the client's preface and queues the server's. jitter in [0, 1) is the
// connection's place within Config.MaxAgeJitter.
func (c *Conn) Init(sh *Shared, jitter float64) {
	*c = Conn{}
	c.begin(sh, c)
	sh.Stats.Connections++
	c.out = append(c.output(), sh.hello...)
	c.setTimer(settingsTimer, sh.cfg.SettingsTimeout)
	if sh.cfg.MaxAge > 0 {
		c.setTimer(ageTimer, moment.After(sh.cfg.MaxAge, sh.jitter(jitter)))
	}
	if sh.cfg.KeepAlive > 0 {
		c.setTimer(keepAliveTimer, sh.cfg.KeepAlive)
	}
}

// AllowNoHost accepts requests whose :authority is empty, missing or a path, with an empty
// Head.Authority. It is for unix sockets, whose clients have no host to name. Call it after Init.
func (c *Conn) AllowNoHost() { c.flags |= noHost }

// Calm ends the connection with ENHANCE_YOUR_CALM and the reason as debug data (RFC 9113 section 7), as Next does for a flood.
// Next returns the error.
func (c *Conn) Calm(reason string) { c.fail(CodeEnhanceYourCalm, reason) }
