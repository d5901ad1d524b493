//go:build linux

package reactor

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// childEnvironment names what the test binary, started again by a test, is to be.
const childEnvironment = "REACTOR_TEST_CHILD"

// children are servers for tests that need a process of their own. They tell their address on
// standard output and end with standard input.
var children = map[string]func() Config{
	"256 descriptors": func() Config {
		limit := unix.Rlimit{Cur: 256, Max: 256}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			panic(err)
		}
		return Config{Loops: 2, StallWarn: 20 * time.Millisecond, StallTimeout: 200 * time.Millisecond, StallRestarts: 1000}
	},
	"brisk": func() Config {
		return Config{Loops: 1, StallWarn: 50 * time.Millisecond, StallTimeout: 300 * time.Millisecond}
	},
}

func runChild(name string) {
	if name == "floor" || strings.HasPrefix(name, "reactor") {
		runCostChild(name)
	}
	if name == "abort" {
		runAbortChild()
	}
	r, err := New(children[name]())
	if err != nil {
		panic(err)
	}
	addr, err := r.Listen(ListenerConfig{Address: "127.0.0.1:0", Open: func(c *Conn) Session {
		return &lines{conn: c, script: func(c *Conn) string {
			if name == "brisk" {
				time.Sleep(150 * time.Millisecond)
				return "came back"
			}
			select {}
		}}
	}})
	if err != nil {
		panic(err)
	}
	if err := r.Start(); err != nil {
		panic(err)
	}
	fmt.Println(addr)
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// startChild starts one and returns a server to dial to.
func startChild(t testing.TB, name string) (*server, *os.Process) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnvironment+"="+name)
	cmd.Args = append(cmd.Args, "-test.run=none")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, addr: strings.TrimSpace(addr)}, cmd.Process
}

// With 256 descriptors and 400 clients the server serves those that it took, takes others when
// some leave, and does so while one of its loops is killed.
func TestDescriptorLimit(t *testing.T) {
	s, _ := startChild(t, "256 descriptors")
	var clients []*client
	for i := range 400 {
		c := s.dial()
		c.say("echo %d", i)
		clients = append(clients, c)
	}
	blamed := s.dial()
	blamed.say("run")
	answered := make(map[*client]bool)
	for began := time.Now(); len(answered) < len(clients); {
		if time.Since(began) > patience {
			t.Fatalf("only %d clients were served", len(answered))
		}
		for i, c := range clients {
			if answered[c] {
				continue
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			line, err := bufio.NewReader(c).ReadString('\n')
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() && line == "" {
				continue
			}
			if line != fmt.Sprintln(i) {
				t.Fatalf("client %d: %q, %v", i, line, err)
			}
			answered[c] = true
			// It leaves, and so makes room.
			_ = c.Close()
		}
	}
	blamed.wantEnd()
}

// A process that was stopped for longer than the timeout kills nobody when it goes on.
func TestStoppedProcessKillsNobody(t *testing.T) {
	s, process := startChild(t, "brisk")
	c := s.dial()
	c.say("echo before")
	c.want("before")
	for range 2 {
		c.say("run")
		if err := process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		// Longer than the child's StallTimeout, which runs by the clock alone.
		time.Sleep(500 * time.Millisecond)
		if err := process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		c.want("came back")
	}
}

// At MaxConnections newcomers wait in the kernel, and are served when others leave.
func TestMaxConnectionsWithhold(t *testing.T) {
	s := serve(t, Config{Loops: 1, MaxConnections: 3}, nil)
	var clients []*client
	for i := range 6 {
		c := s.dial()
		c.say("echo %d", i)
		clients = append(clients, c)
	}
	for i := range 6 {
		clients[i].want(fmt.Sprint(i))
		if open := s.Stats().Connections; open > 3 {
			t.Errorf("%d connections are open", open)
		}
		_ = clients[i].Close()
	}
	if s.Stats().Withheld == 0 {
		t.Error("listening sockets were never left alone")
	}
}

// With Refuse, newcomers beyond MaxConnections are told.
func TestMaxConnectionsRefuse(t *testing.T) {
	s := serve(t, Config{Loops: 1, MaxConnections: 1, Refuse: func(c *Conn) Session {
		l := &lines{conn: c}
		l.say("too many")
		c.Linger()
		return l
	}}, nil)
	first := s.dial()
	first.say("echo served")
	first.want("served")
	second := s.dial()
	second.want("too many")
	second.wantEnd()
	if n := s.Stats().Refused; n != 1 {
		t.Errorf("%d refused", n)
	}
}
