//go:build linux

package reactor

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"
)

// A thousand connections share a loop that stalls: idle, pipelining, downloading, waiting for
// timers and for other goroutines, and a hundred that connect meanwhile. Only the blamed one is lost,
// and every byte of the others is right.
func TestThousandBehindAStall(t *testing.T) {
	release := make(chan struct{})
	stalled := make(chan struct{})
	config := brisk()
	config.Loops = 1
	s := serve(t, config, staller(func(*Conn) { close(stalled); <-release }, nil))

	const download = 4 << 20
	kinds := []struct {
		before func(c *client, i int)
		after  func(c *client, i int)
	}{
		{ // idle
			func(*client, int) {},
			func(c *client, i int) { c.say("echo idle %d", i); c.want(fmt.Sprint("idle ", i)) },
		},
		{ // pipelining
			func(c *client, i int) { c.say(strings.Repeat(fmt.Sprintf("echo piped %d\n", i), 50) + "echo half") },
			func(c *client, i int) {
				for range 50 {
					c.want(fmt.Sprint("piped ", i))
				}
				c.want("half")
			},
		},
		{ // in the middle of a line
			func(c *client, i int) { _, _ = fmt.Fprintf(c, "echo in the mid") },
			func(c *client, i int) { c.say("dle %d", i); c.want(fmt.Sprint("in the middle ", i)) },
		},
		{ // waiting for a timer
			func(c *client, i int) { c.say("after 150 timer %d", i) },
			func(c *client, i int) { c.want(fmt.Sprint("timer ", i)) },
		},
		{ // waiting for another goroutine
			func(c *client, i int) { c.say("later goroutine %d", i) },
			func(c *client, i int) { c.want(fmt.Sprint("goroutine ", i)) },
		},
	}
	var clients []*client
	for i := range 900 {
		c := s.dial()
		kinds[i%len(kinds)].before(c, i)
		clients = append(clients, c)
	}
	slow := s.dial()
	slow.say("bytes %d", download)
	eventually(t, "all are accepted", func() bool { return s.Stats().Connections == len(clients)+1 })
	blamed := s.dial()
	blamed.say("run")
	await(t, stalled)
	var dialling sync.WaitGroup
	late := make([]*client, 100)
	for i := range late {
		dialling.Go(func() {
			late[i] = s.dial()
			late[i].say("echo late %d", i)
		})
	}
	dialling.Wait()
	blamed.wantEnd()
	killed := time.Now()

	for i, c := range late {
		c.want(fmt.Sprint("late ", i))
	}
	for i, c := range clients {
		kinds[i%len(kinds)].after(c, i)
	}
	t.Logf("all served %v after the kill", time.Since(killed))
	if n, err := io.CopyN(io.Discard, slow, download); err != nil {
		t.Errorf("download ended after %d bytes: %v", n, err)
	}
	slow.say("echo after it")
	slow.want("after it")
	if n := s.Stats().Connections; n != len(clients)+len(late)+1 {
		t.Errorf("%d connections are open", n)
	}
	close(release)
}
