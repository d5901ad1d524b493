//go:build linux

package reactor

import (
	"testing"
	"time"
)

// A peer that has sent in time is not late because its loop was, whether what kept that comes back or
// is killed.
func TestLateLoopIsNotThePeersFault(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"comes back": 0, "killed": 4 * lateness} {
		t.Run(name, func(t *testing.T) {
			stalled, release := make(chan struct{}), make(chan struct{})
			var punctual *Conn
			config := brisk()
			config.Loops, config.StallTimeout = 1, timeout
			s := serve(t, config, func(c *Conn) Session {
				if punctual == nil {
					punctual = c
					return &lines{conn: c}
				}
				return &lines{conn: c, script: func(*Conn) string {
					l := punctual.Loop()
					if !l.Enter(nil) {
						return "fenced"
					}
					punctual.SetDeadlineAt(l.Age() + time.Millisecond)
					l.Leave()
					close(stalled)
					<-release
					return "came back"
				}}
			})
			c := s.dial()
			c.say("echo before")
			c.want("before")
			blamed := s.dial()
			blamed.say("run")
			await(t, stalled)
			c.say("echo in time")
			if timeout == 0 {
				time.Sleep(2 * lateness) // what is tested, not what is waited for
				close(release)
				blamed.want("came back")
			} else {
				defer close(release)
			}
			c.want("in time")
		})
	}
}

// A peer that has sent nothing is late even if its loop is.
func TestSilentPeerIsLateOnALateLoop(t *testing.T) {
	s := serve(t, Config{Loops: 1}, func(c *Conn) Session {
		c.SetDeadlineAt(c.Loop().Age() + time.Millisecond)
		return &lines{conn: c}
	})
	c := s.dial()
	entered := make(chan struct{})
	s.loops[0].Post(func() {
		close(entered)
		time.Sleep(2 * lateness) // what is tested, not what is waited for
	})
	await(t, entered)
	c.want("timeout")
	c.wantEnd()
}
