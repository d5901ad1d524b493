//go:build linux

package reactor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inheritHere makes this process inherit what a reactor in it passes, until the test ends.
func inheritHere(t *testing.T, passed []PassedListener) *Inheritance {
	t.Helper()
	t.Cleanup(func() { inheritance.Store(nil) })
	return Inherit(passed)
}

// TestHandOverLeavesTheQueue: connections that wait in the sockets of one reactor are answered by the one that has taken
// them, which has other numbers of loops.
func TestHandOverLeavesTheQueue(t *testing.T) {
	const clients = 40
	for _, loops := range [][2]int{{1, 1}, {1, 3}, {3, 1}, {3, 2}, {4, 3}, {2, 4}} {
		old, err := New(Config{Loops: loops[0], Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		config := ListenerConfig{Network: "tcp4", Address: "127.0.0.1:0", Open: openTeller}
		addr, err := old.Listen(config)
		if err != nil {
			t.Fatal(err)
		}
		var waiting []net.Conn
		for range clients {
			c, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			waiting = append(waiting, c)
		}
		passed, err := old.PassListeners()
		if err != nil || len(passed) != 1 || len(passed[0].Descriptors) != loops[0] {
			t.Fatalf("%d loops pass %v, %v", loops[0], passed, err)
		}
		in := inheritHere(t, passed)
		next, err := New(Config{Loops: loops[1], Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := next.Listen(config); err != nil || got.String() != addr.String() {
			t.Fatalf("the next reactor listens on %v, %v", got, err)
		}
		old.HandOver(in.Taken())
		if err := old.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := next.Start(); err != nil {
			t.Fatal(err)
		}
		if again, err := next.PassListeners(); err != nil || len(again) != 1 || len(again[0].Descriptors) != loops[0] {
			t.Errorf("%d loops pass %v, %v", loops[1], again, err)
		} else {
			ClosePassed(again)
		}
		for i, c := range waiting {
			if _, err := readAnswer(bufio.NewReader(c)); err != nil {
				t.Errorf("from %d to %d loops: connection %d: %v", loops[0], loops[1], i, err)
			}
			_ = c.Close()
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		_ = next.Stop(over)
	}
}

// TestHandOverOfUnixSockets: the file belongs to the old reactor until the new one owns it.
func TestHandOverOfUnixSockets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	config := ListenerConfig{Network: "unix", Address: path, Open: openTeller}
	open := func() *Reactor {
		t.Helper()
		r, err := New(Config{Loops: 2, Logger: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Listen(config); err != nil {
			t.Fatal(err)
		}
		return r
	}
	end := func(r *Reactor, remains bool) {
		t.Helper()
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err == nil) != remains {
			t.Errorf("the file remains: %v, want %v", err == nil, remains)
		}
	}
	pass := func(r *Reactor) *Inheritance {
		t.Helper()
		passed, err := r.PassListeners()
		if err != nil {
			t.Fatal(err)
		}
		return inheritHere(t, passed)
	}
	first := open()
	pass(first)
	end(open(), true) // it has failed to start
	in := pass(first)
	second := open()
	first.HandOver(in.Taken())
	end(first, true)
	in.Own()
	end(second, false)
}

// TestInheritedListenersByName: each is taken once, what nobody takes is closed, and the sockets stay non-blocking.
func TestInheritedListenersByName(t *testing.T) {
	r, err := New(Config{Loops: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(t.Context()) }()
	var addresses []string
	for range 3 {
		addr, err := r.Listen(ListenerConfig{Network: "tcp4", Address: "127.0.0.1:0", Open: openTeller})
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, addr.String())
	}
	passed, err := r.PassListeners()
	if err != nil {
		t.Fatal(err)
	}
	in := inheritHere(t, passed)
	next, err := New(Config{Loops: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = next.Stop(t.Context()) }()
	for _, want := range addresses[:2] {
		if addr, err := next.Listen(ListenerConfig{Network: "tcp4", Address: "127.0.0.1:0", Open: openTeller}); err != nil || addr.String() != want {
			t.Errorf("listens on %v, %v, want %s", addr, err, want)
		}
	}
	if addr, err := next.Listen(ListenerConfig{Network: "tcp4", Address: "127.0.0.2:0", Open: openTeller}); err != nil || addr.(*net.TCPAddr).IP.String() != "127.0.0.2" {
		t.Errorf("another address: listens on %v, %v", addr, err)
	}
	if taken := in.Taken(); len(taken) != 2 || taken[0] != 0 || taken[1] != 1 {
		t.Errorf("taken: %v", taken)
	}
	in.CloseOthers()
	for i, p := range passed {
		flags, err := unix.FcntlInt(uintptr(p.Descriptors[0]), unix.F_GETFL, 0)
		if open := err == nil; open != (i < 2) {
			t.Errorf("listener %d is open: %v", i, open)
		} else if open && flags&unix.O_NONBLOCK == 0 {
			t.Errorf("the sockets of listener %d block", i)
		}
	}
}

// TestPassedFilesStayNonBlocking: a socket that is inherited as a file must not become blocking in the process that has
// passed it.
func TestPassedFilesStayNonBlocking(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ours, err := takeDescriptor(ln.(*net.TCPListener))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ours)
	theirs, err := duplicate(ours)
	if err != nil {
		t.Fatal(err)
	}
	in := inheritHere(t, []PassedListener{{Name: "fd:77", Descriptors: []int{theirs}}})
	configs, err := ParseListenAddress("fd:77")
	if err != nil || len(configs) != 1 || len(in.Taken()) != 1 {
		t.Fatalf("%v, %v", configs, err)
	}
	r, err := New(Config{Loops: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Stop(t.Context()) }()
	configs[0].Open = openTeller
	if _, err := r.Listen(configs[0]); err != nil {
		t.Fatal(err)
	}
	if again, err := r.PassListeners(); err != nil || len(again) != 1 || again[0].Name != "fd:77" {
		t.Errorf("it is passed on as %v, %v", again, err)
	} else {
		ClosePassed(again)
	}
	if flags, err := unix.FcntlInt(uintptr(ours), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
		t.Errorf("the socket blocks: %v", err)
	}
	_ = configs[0].File.Close()
}

// TestEndWithoutTakingOverLeavesTheSockets: a reactor that has inherited sockets and ends before it owns them leaves their
// clients to the reactor that has passed them: those that wait, and those that come.
func TestEndWithoutTakingOverLeavesTheSockets(t *testing.T) {
	for _, network := range []string{"tcp4", "unix", "file"} {
		for _, started := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, started: %v", network, started), func(t *testing.T) {
				testEndWithoutTakingOver(t, network, started)
			})
		}
	}
}

func testEndWithoutTakingOver(t *testing.T, network string, started bool) {
	listener := ListenerConfig{Network: network, Address: "127.0.0.1:0", Open: func(c *Conn) Session { return &lines{conn: c} }}
	switch network {
	case "unix":
		listener.Address = filepath.Join(t.TempDir(), "s")
	case "file":
		listener.File = listeningFile(t, "fd:77")
	}
	r, addr := served(t, Config{Loops: 2, Logger: quiet()}, listener)
	s := &server{r, t, addr.String()}
	dial := func() (net.Conn, error) {
		c, err := net.DialTimeout(addr.Network(), addr.String(), patience)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(patience))
		}
		return c, err
	}
	release := s.held()
	defer release()
	passed, err := r.PassListeners()
	if err != nil {
		t.Fatal(err)
	}
	in := inheritHere(t, passed)
	if network == "file" {
		if listener.File = in.takeFile("fd:77"); listener.File == nil {
			t.Fatal("the file is not inherited")
		}
		defer listener.File.Close()
	}
	next, err := New(Config{Loops: 2, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := next.Listen(listener); err != nil || got.String() != addr.String() {
		t.Fatalf("the next reactor listens on %v, %v", got, err)
	}
	if started {
		if err := next.Start(); err != nil {
			t.Fatal(err)
		}
		next.gate.end() // what waits then waits in the queue
		for _, l := range next.loops {
			idle := make(chan struct{})
			l.Post(func() { close(idle) })
			await(t, idle)
		}
	}
	waiting := waitingClients(t, 10, dial)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	next.StopAccepting(over)
	_ = next.Stop(over)
	waiting = append(waiting, waitingClients(t, 10, dial)...)
	release()
	for _, c := range waiting {
		wantAnswer(t, c, "here\n")
	}
}

// listeningFile returns the file of a TCP socket that listens.
func listeningFile(t *testing.T, name string) *os.File {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	fd, err := takeDescriptor(ln.(*net.TCPListener))
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), name)
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// TestInheritedSocketsAreOpenAgain: sockets that an ended process has closed to connections are open to them once they
// were inherited.
func TestInheritedSocketsAreOpenAgain(t *testing.T) {
	old, err := New(Config{Loops: 2, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	config := ListenerConfig{Network: "tcp4", Address: "127.0.0.1:0", Open: func(c *Conn) Session { return &lines{conn: c} }}
	if _, err := old.Listen(config); err != nil {
		t.Fatal(err)
	}
	passed, err := old.PassListeners()
	if err != nil {
		t.Fatal(err)
	}
	_ = old.Stop(t.Context())
	inheritHere(t, passed).Own()
	_, addr := served(t, Config{Loops: 2, Logger: quiet()}, config)
	for _, c := range waitingClients(t, 10, func() (net.Conn, error) { return net.DialTimeout("tcp", addr.String(), patience) }) {
		wantAnswer(t, c, "here\n")
	}
}
