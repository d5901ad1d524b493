package main

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gatewheel/gatewheel/bench/client"
	"github.com/gatewheel/gatewheel/internal/testport"
)

// tally is what a load generator counted.
type tally struct {
	requests int64
	elapsed  time.Duration
	cpu      time.Duration // of the server, of a load that knows when it begins; 0: that of the whole call
	// Times to an answer; 0: not counted.
	p50, p99, p999 time.Duration
	late           time.Duration // how late the load sends (p99); it is a part of the times
}

// load drives one server for about so long and returns what came back, all of it right, or why not.
type load func(r *runner, t *target, d time.Duration) (tally, error)

// target is a server that runs.
type target struct {
	name    string
	setup   *setup
	process *process
	port    *testport.Reservation
	rate    float64 // requests a second, once known
	pace    float64 // requests a second of a case about latency at a fixed rate
	stalled []net.Conn

	command, configuration string // how it was started
	program                string // its file
}

func (t *target) stop() {
	for _, c := range t.stalled {
		_ = c.Close()
	}
	t.process.stop()
	_ = t.port.Release()
}

func (t *target) url() string {
	scheme := "http"
	if t.setup.protocol.secure() {
		scheme = "https"
	}
	return scheme + "://" + t.setup.address() + t.setup.path()
}

// patience is how long a load generator may last.
const patience = 90 * time.Second

// killAfter kills a program that has started after patience, unless the timer is stopped.
func killAfter(cmd *exec.Cmd) *time.Timer {
	return time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
}

// generator returns the command of a load generator. Its OpenSSL offers a single suite of TLS 1.3, the one that Go's
// clients and servers choose: a server that follows the client would encrypt with another one.
func (r *runner) generator(argv []string) *exec.Cmd {
	cmd := pinned(r.cores.load, argv)
	cmd.Env = append(cmd.Env, "OPENSSL_CONF="+filepath.Join(r.dir, opensslFile))
	return cmd
}

// run runs a load generator and returns what it prints. One that lasts longer than patience is killed.
func run(cmd *exec.Cmd) (string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	killer := killAfter(cmd)
	err := cmd.Wait()
	if !killer.Stop() {
		return "", fmt.Errorf("%s did not end within %v", filepath.Base(cmd.Args[3]), patience)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Args[3]), err, lastLine(out.String()))
	}
	return out.String(), nil
}

// echo loads a WebSocket echo: so many connections, each with depth messages in flight.
func echo(connections, depth int) load {
	return counted("echo", func(_ *runner, t *target, d time.Duration) any {
		return client.Echo{Address: t.setup.address(), Path: t.setup.protocol.path(),
			Connections: connections, Depth: depth, Packed: t.setup.protocol == wsDeflate, Duration: d}
	})
}
