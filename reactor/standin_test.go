//go:build linux

package reactor

import (
	"errors"
	"io"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// What is accepted in a deaf loop's place counts as present at once, though the loop that is to
// have it is busy as well: otherwise a stall would take descriptors beyond every limit.
func TestStandInKeepsToTheLimit(t *testing.T) {
	const limit, clients = 8, 100
	s := serve(t, Config{Loops: 2, MaxConnections: limit}, nil)
	deaf, busy := s.loops[0], s.loops[1]
	release := make(chan struct{})
	for _, l := range s.loops {
		entered := make(chan struct{})
		l.Post(func() { close(entered); <-release })
		await(t, entered)
	}
	deaf.isDeaf.Store(true)
	over, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); s.standIn(deaf, over) }()

	var waiting []*client
	for range clients {
		c := s.dial()
		c.say("echo here")
		waiting = append(waiting, c)
	}
	eventually(t, "the limit is reached", func() bool { return s.gate.shut.Load() || s.arriving.Load() > limit })
	close(over)
	await(t, done)
	if n := busy.stats.accepted.Load(); n != limit {
		t.Errorf("%d were accepted, want %d", n, limit)
	}
	deaf.isDeaf.Store(false)
	close(release)
	// Nobody is lost: those beyond the limit are taken as others leave.
	var answers sync.WaitGroup
	for i, c := range waiting {
		answers.Go(func() {
			have := make([]byte, len("here\n"))
			if n, err := io.ReadFull(c, have); err != nil {
				t.Errorf("client %d: %q, %v", i, have[:n], err)
			}
			_ = c.Close()
		})
	}
	answers.Wait()
}

// A socket on its way to a Loop waits for descriptors when there are none.
func TestArrivalWaitsForDescriptors(t *testing.T) {
	s := serve(t, Config{Loops: 1}, nil)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	peer := os.NewFile(uintptr(pair[1]), "peer")
	defer peer.Close()
	a := &arrival{fresh: pair[0], listener: s.listeners[0]}

	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 3, Max: before.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	err = a.register(s.loops[0].engine.Load())
	if again := unix.Setrlimit(unix.RLIMIT_NOFILE, &before); again != nil {
		t.Fatal(again)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Fatalf("got %v, want EMFILE, upon which it is tried again", err)
	}
	s.loops[0].intake.add(s.loops[0], a)
	_, _ = io.WriteString(peer, "echo late\n")
	have := make([]byte, len("late\n"))
	if _, err := io.ReadFull(peer, have); err != nil || string(have) != "late\n" {
		t.Errorf("%q, %v", have, err)
	}
}
