package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/bench/client"
	"github.com/gatewheel/gatewheel/bench/rival"
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

var (
	wrkDone    = regexp.MustCompile(`(\d+) requests in ([0-9.]+)(s|m)`)
	wrkTrouble = regexp.MustCompile(`Non-2xx or 3xx responses: .*|Socket errors: .*`)
)

const pipelineScript = `init = function(args)
  local r = {}
  for i = 1, %d do r[i] = wrk.format(nil, "/") end
  batch = table.concat(r)
end
request = function() return batch end
`

const postScript = `wrk.method = "POST"
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.body = string.rep("0123456789abcdef", %d)
`

// wrk loads HTTP/1.1 over so many connections, each with depth requests in flight. It measures
// whole seconds only.
func wrk(connections, depth int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var script []byte
		if depth > 1 {
			script = fmt.Appendf(nil, pipelineScript, depth)
		}
		return wrkRun(r, t, d, connections, script)
	}
}

// wrkClosing loads HTTP/1.1 with a new connection for each request.
func wrkClosing(clients int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		return wrkRun(r, t, d, clients, []byte(`wrk.headers["Connection"] = "close"`))
	}
}

// wrkPost loads HTTP/1.1 with requests that have content, over so many connections.
func wrkPost(connections int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		return wrkRun(r, t, d, connections, fmt.Appendf(nil, postScript, t.setup.upload/16))
	}
}

// wrkRun loads HTTP/1.1 with a script, or with GET where it is nil. On a busy machine the handshakes alone can last a
// second: it doubles the time, up to eight seconds, until something is answered.
func wrkRun(r *runner, t *target, d time.Duration, connections int, script []byte) (done tally, err error) {
	for seconds := max(1, int(math.Round(d.Seconds()))); ; seconds *= 2 {
		done, err = wrkOnce(r, t, seconds, connections, script)
		if err != nil || done.requests > 0 || seconds > 4 {
			return done, err
		}
	}
}

func wrkOnce(r *runner, t *target, seconds, connections int, script []byte) (tally, error) {
	argv := []string{"wrk", "--latency", "-t", "1", "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds) + "s"}
	if script != nil {
		file := filepath.Join(t.setup.dir, "wrk.lua")
		if err := os.WriteFile(file, script, 0o644); err != nil {
			return tally{}, err
		}
		argv = append(argv, "-s", file)
	}
	out, err := run(r.generator(append(argv, t.url())))
	if err != nil {
		return tally{}, err
	}
	if trouble := wrkTrouble.FindString(out); trouble != "" {
		return tally{}, errors.New("wrk: " + trouble)
	}
	m := wrkDone.FindStringSubmatch(out)
	if m == nil {
		return tally{}, fmt.Errorf("wrk printed no count: %s", out)
	}
	requests, _ := strconv.ParseInt(m[1], 10, 64)
	elapsed, err := time.ParseDuration(m[2] + m[3])
	if err != nil {
		return tally{}, err
	}
	p99, err := p99Of(out)
	return tally{requests: requests, elapsed: elapsed, p99: p99}, err
}

var (
	h2loadDone    = regexp.MustCompile(`finished in ([0-9.]+)(s|ms|us)`)
	h2loadCounts  = regexp.MustCompile(`requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2loadContent = regexp.MustCompile(`\((\d+)\) data`)
)

// h2load loads HTTP/2 over so many connections with so many streams each, or HTTP/1.1 with one request at a time on each.
// The number of requests is fixed beforehand from the server's known rate, so that every single one can be accounted for.
func h2load(connections, streams int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var known tally
		whole := int64(connections * streams)
		if t.rate == 0 {
			var err error
			if known, err = h2loadRun(r, t, connections, streams, max(whole, t.setup.probes())); err != nil {
				return tally{}, err
			}
			t.rate = float64(known.requests) / known.elapsed.Seconds()
		}
		requests := max(1, int64(t.rate*d.Seconds())/whole) * whole
		done, err := h2loadRun(r, t, connections, streams, requests)
		if err != nil {
			return tally{}, err
		}
		t.rate = float64(done.requests) / done.elapsed.Seconds()
		return tally{requests: known.requests + done.requests, elapsed: known.elapsed + done.elapsed}, nil
	}
}

func h2loadRun(r *runner, t *target, connections, streams int, requests int64) (tally, error) {
	argv := []string{"h2load", "-t", "1", "-c", strconv.Itoa(connections), "-m", strconv.Itoa(streams), "-n", strconv.FormatInt(requests, 10)}
	if !t.setup.protocol.multi() {
		argv = append(argv, "--h1")
	}
	if t.setup.file > 0 {
		argv = append(argv, "-w", "24", "-W", "28") // windows of 16 and 256 MiB, so that they do not decide
	}
	content, err := t.setup.requestContent()
	if err != nil {
		return tally{}, err
	}
	argv = append(argv, content...)
	out, err := run(r.generator(append(argv, t.url())))
	if err != nil {
		return tally{}, err
	}
	counts, received, finished := h2loadCounts.FindStringSubmatch(out), h2loadContent.FindStringSubmatch(out), h2loadDone.FindStringSubmatch(out)
	if counts == nil || received == nil || finished == nil {
		return tally{}, fmt.Errorf("h2load printed no counts: %s", out)
	}
	want := strconv.FormatInt(requests, 10)
	if counts[4] != want || counts[5] != "0" || counts[6] != "0" {
		return tally{}, errors.New("h2load: " + counts[0])
	}
	if received[1] != strconv.FormatInt(requests*int64(t.setup.contentLength()), 10) {
		return tally{}, fmt.Errorf("h2load: %s bytes of content for %s requests", received[1], want)
	}
	elapsed, err := time.ParseDuration(finished[1] + finished[2])
	return tally{requests: requests, elapsed: elapsed}, err
}

// requestContent returns the arguments of h2load about the content of each request.
func (s *setup) requestContent() ([]string, error) {
	switch {
	case s.unary:
		file, err := s.write("content", rival.UnaryContent)
		return []string{"-d", file, "-H", "content-type: application/grpc", "-H", "te: trailers"}, err
	case s.upload > 0:
		return []string{"-d", filepath.Join(s.root(), fileName(s.upload)), "-H", "content-type: application/octet-stream"}, nil
	}
	return nil, nil
}

// echo loads a WebSocket echo: so many connections, each with depth messages in flight.
func echo(connections, depth int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		o := client.Echo{Address: t.setup.address(), Path: t.setup.protocol.path(),
			Connections: connections, Depth: depth, Packed: t.setup.protocol == wsDeflate, Duration: d}
		var result client.Result
		cpu, err := r.roleLoad(t, "echo", o, &result)
		return tally{requests: result.Count, elapsed: result.Elapsed, cpu: cpu}, err
	}
}
