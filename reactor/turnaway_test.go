//go:build linux

package reactor

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const goodbye = "the end\n"

// endings are listeners whose connections wait in different queues.
var endings = map[string]struct {
	loops   int
	network string
}{
	"TCP, one loop":   {1, "tcp"},
	"TCP, six loops":  {6, "tcp"}, // SO_REUSEPORT
	"unix, one loop":  {1, "unix"},
	"unix, two loops": {2, "unix"},
}

// eachEnding runs a test with a server for each of endings; TurnAway says goodbye.
func eachEnding(t *testing.T, test func(t *testing.T, s *server, dial func() (net.Conn, error))) {
	for name, e := range endings {
		t.Run(name, func(t *testing.T) {
			listener := ListenerConfig{Network: e.network, Open: func(c *Conn) Session { return &lines{conn: c} }}
			if e.network == "unix" {
				listener.Address = filepath.Join(t.TempDir(), "s")
			}
			r, addr := served(t, Config{
				Loops: e.loops, Logger: quiet(), TurnAway: func(*ListenerConfig, []byte) []byte { return []byte(goodbye) },
			}, listener)
			test(t, &server{r, t, addr.String()}, func() (net.Conn, error) {
				c, err := net.DialTimeout(e.network, addr.String(), patience)
				if err == nil {
					_ = c.SetDeadline(time.Now().Add(patience))
				}
				return c, err
			})
		})
	}
}

// waitingClients opens n connections, each with a line that is sent.
func waitingClients(t *testing.T, n int, dial func() (net.Conn, error)) (all []net.Conn) {
	t.Helper()
	for range n {
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, "echo here\n"); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// wantAnswer wants a connection to hear an answer, and the end if it is the goodbye.
func wantAnswer(t *testing.T, c net.Conn, want string) {
	t.Helper()
	answer := make([]byte, len(want))
	if n, err := io.ReadFull(c, answer); string(answer) != want {
		t.Errorf("heard %q, %v, want %q", answer[:n], err, want)
	}
	if want != goodbye {
		return
	}
	if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
		t.Errorf("then %q, %v, want the end", rest, err)
	}
}

// Connections that wait while all loops are busy are accepted at the end, and answered when the loops have time.
func TestStopAcceptingServesWhatWaits(t *testing.T) {
	eachEnding(t, func(t *testing.T, s *server, dial func() (net.Conn, error)) {
		release := s.held()
		defer release()
		clients := waitingClients(t, 60, dial)
		s.StopAccepting(context.Background())
		if c, err := dial(); err == nil {
			t.Error("a newcomer is connected")
			_ = c.Close()
		}
		release()
		for _, c := range clients {
			wantAnswer(t, c, "here\n")
		}
	})
}

// Without time they are told why, and are not reset. More wait than are told at a time.
func TestStopAcceptingTurnsAwayWhatWaits(t *testing.T) {
	eachEnding(t, func(t *testing.T, s *server, dial func() (net.Conn, error)) {
		release := s.held()
		defer release()
		clients := waitingClients(t, 2*turnAwayBatch+10, dial)
		over, cancel := context.WithCancel(context.Background())
		cancel()
		s.StopAccepting(over)
		if n := s.present(); n != 0 {
			t.Errorf("%d connections are present", n)
		}
		for _, c := range clients {
			wantAnswer(t, c, goodbye)
		}
	})
}

// Connections beyond the limit are told why. Those within are served.
func TestStopAcceptingTurnsAwayBeyondTheLimit(t *testing.T) {
	eachEnding(t, func(t *testing.T, s *server, dial func() (net.Conn, error)) {
		release := s.held()
		defer release()
		const limit, more = 8, 20
		s.gate.room.Store(limit)
		clients := waitingClients(t, limit+more, dial)
		told := make(chan string, len(clients))
		var reading sync.WaitGroup
		for _, c := range clients {
			reading.Go(func() {
				answer := make([]byte, len("here\n"))
				_, _ = io.ReadFull(c, answer)
				told <- string(answer)
				if string(answer) == goodbye[:len(answer)] {
					_ = c.Close()
				}
			})
		}
		s.StopAccepting(context.Background())
		release()
		heard := map[string]int{}
		for range clients {
			heard[await(t, told)]++
		}
		reading.Wait()
		if heard["here\n"] != limit || heard[goodbye[:len("here\n")]] != more {
			t.Errorf("heard %v", heard)
		}
	})
}

// A connection on its way to a loop that does not come back is told why when the Reactor stops.
func TestStopTurnsAwayWhatAStalledLoopHasNotTaken(t *testing.T) {
	eachEnding(t, func(t *testing.T, s *server, dial func() (net.Conn, error)) {
		release := s.held()
		defer release()
		clients := waitingClients(t, 10, dial)
		s.StopAccepting(context.Background())
		over, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Stop(over); !errors.Is(err, context.Canceled) {
			t.Errorf("Stop returns %v", err)
		}
		for _, c := range clients {
			wantAnswer(t, c, goodbye)
		}
	})
}

// Clients that connect all the time are answered, told why, or not connected at all: nobody is reset.
func TestStopResetsNoNewcomer(t *testing.T) {
	eachEnding(t, func(t *testing.T, s *server, dial func() (net.Conn, error)) {
		var clients sync.WaitGroup
		var answered atomic.Int64
		for range 6 {
			clients.Go(func() {
				for {
					c, err := dial()
					if err != nil {
						return // nobody listens
					}
					_, wrote := io.WriteString(c, "echo here\nbye\n")
					heard, err := io.ReadAll(c)
					_ = c.Close()
					switch {
					case string(heard) == "here\nbye\n":
						answered.Add(1)
					case string(heard) != goodbye || err != nil:
						t.Errorf("heard %q, %v (reset: %v); sending: %v", heard, err, errors.Is(err, syscall.ECONNRESET), wrote)
						return
					}
				}
			})
		}
		eventually(t, "answers", func() bool { return answered.Load() > 100 })
		s.StopAccepting(context.Background())
		s.Drain(func(*Conn) {})
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
		clients.Wait()
	})
}
