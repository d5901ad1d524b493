//go:build linux

package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
)

// beChild makes the test binary one of the programs below. Memory and descriptors are a process's own.
const beChild = "GATEWHEEL_TEST_CHILD"

var children = map[string]func(io.Reader, io.Writer) error{
	"target": serveTarget,
	"crowd":  beCrowd,
	"panics": servePanics,
}

// becomeChild runs as what the environment says, if it says something.
func becomeChild() {
	program, ok := children[os.Getenv(beChild)]
	if !ok {
		return
	}
	if err := program(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process that runs one of them. It ends when its input does.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(t *testing.T, name string, env ...string) *child {
	t.Helper()
	return startCommand(t, name, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, env...) })
}

// startCommand starts a child. change may change its command.
func startCommand(t *testing.T, name string, change func(*exec.Cmd)) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), beChild+"="+name, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	change(cmd)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = in.Close()
		stop := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("child %s: %v", name, err)
		}
	})
	return c
}

// tell gives the child a line.
func (c *child) tell(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// told is the child's next line.
func (c *child) told() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the child says nothing: %v", err)
	}
	return strings.TrimSpace(line)
}

// ask is tell and told.
func (c *child) ask(line string) string {
	c.t.Helper()
	c.tell(line)
	return c.told()
}

// memory reads the child's VmRSS and VmHWM, in bytes.
func (c *child) memory() (resident, peak int64) {
	c.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			resident = n << 10
		case "VmHWM:":
			peak = n << 10
		}
	}
	return resident, peak
}

// stats are the child's counters.
func (c *child) stats() (s reactor.Stats) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.ask("stats")), &s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// site is the child's server as tests of this process see it.
func (c *child) site() *site { return &site{t: c.t, addr: c.told()} }

// serveTarget serves the built-in application: it says its address, and then answers commands.
func serveTarget(in io.Reader, out io.Writer) error {
	if n, err := strconv.ParseUint(os.Getenv("DESCRIPTORS"), 10, 64); err == nil {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	handler, err := target.New(target.Config{})
	if err != nil {
		return err
	}
	config := server.Config{Handler: handler, Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}}, Loops: 2, Logger: zap.NewNop()}
	config.MaxConnections, _ = strconv.Atoi(os.Getenv("MAX_CONNECTIONS"))
	s, err := server.New(config)
	if err != nil {
		return err
	}
	if err := s.Start(context.Background()); err != nil {
		return err
	}
	fmt.Fprintln(out, s.Addrs()[0])
	commands := bufio.NewScanner(in)
	for commands.Scan() {
		switch commands.Text() {
		case "stats":
			answer, err := json.Marshal(s.Stats())
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\n", answer)
		case "collect":
			debug.FreeOSMemory()
			fmt.Fprintln(out, "collected")
		case "profile":
			fmt.Fprintln(out, writeProfile())
		}
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Shutdown(over); err != nil && err != context.Canceled {
		return err
	}
	return nil
}
