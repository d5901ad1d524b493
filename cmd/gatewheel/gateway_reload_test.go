//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// reloadLoad is what clients do while a gateway loads its file again.
type reloadLoad struct {
	gateway        *child
	sockets        []*webSocket
	events         []*events
	generators     sync.WaitGroup // h2load and wrk
	uploads        sync.WaitGroup
	uploaded       atomic.Int32
	uploadsEnd     chan bool
	connectionsIn  int // of all clients
	generatorsTime time.Duration
}

const (
	reloads          = 100
	generatorClients = 8
	uploadClients    = 4
)

// TestGatewayReloadsUnderLoad: a hundred changes of the file, each loaded by SIGHUP, close no connection and lose no
// request; a backend that is as before keeps its connections; memory, goroutines and descriptors are then those of the
// start. RELOAD_TIME is the time of the load, and with it 200 WebSockets and 50 event streams are open.
func TestGatewayReloadsUnderLoad(t *testing.T) {
	duration, sockets, streams := 3*time.Second, 20, 10
	if text := os.Getenv("RELOAD_TIME"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		duration, sockets, streams = d, 200, 50
	}
	kept, changing := serve(t, "--loops", "1"), serve(t, "--loops", "1")
	text := "routes: {/: kept, '/changing/{rest...}': {to: changing, rewrite: {path: '/{rest}'}}, /now: {respond: {body: '%d'}}}\n" +
		"backends: {kept: 'h2c://" + kept.address() + "', changing: {peers: 'http://" + changing.address() + "', streams: %d}}\n"
	name := gatewayFile(t, fmt.Sprintf(text, 0, 1))
	g := begin(t, program([]string{countGoroutines + "=1"}, "gateway", "--listen", "127.0.0.1:0", "--loops", "2", "--admin", "127.0.0.1:0", "--config", name))
	admin, keptCounter, changingCounter := adminOf(g), counterOf(kept), counterOf(changing)
	probe := &http.Client{Transport: transport(1, false), Timeout: patience}

	// The first load fills the pools: memory and goroutines are compared with those behind it.
	runReloadLoad(t, g, sockets, streams, duration/4, func() {})
	before := residue(t, g, admin)
	accepted, keptAccepted := admin.accepted(t), keptCounter.accepted(t)

	done := 0
	load := runReloadLoad(t, g, sockets, streams, duration, func() {
		done++
		writeFile(t, name, fmt.Sprintf(text, done, 1+done))
		g.signal(syscall.SIGHUP)
		want := strconv.Itoa(done)
		for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
			if status, got := getWith(t, probe, g, "/now"); status == http.StatusOK && got == want {
				return
			} else if status != http.StatusOK || time.Now().After(deadline) {
				t.Fatalf("reload %d: status %d, %q", done, status, got)
			}
		}
	})
	probe.CloseIdleConnections()
	after := residue(t, g, admin)
	n := admin.counts(t)
	if n.Gateway.Reloads.OK < done || n.Gateway.Reloads.Failed != 0 {
		t.Errorf("%d files, %d were loaded and %d failed", done, n.Gateway.Reloads.OK, n.Gateway.Reloads.Failed)
	}
	for reason, count := range n.Gateway.Exchanges {
		if reason != "ok" && reason != "client-gone" {
			t.Errorf("%d requests ended with %s", count, reason)
		}
	}
	if got, want := admin.accepted(t)-accepted, load.connectionsIn+1; got != want {
		t.Errorf("the gateway has accepted %d connections from %d clients", got, want)
	}
	// Each of two loops has at most two connections; the load itself may have opened the second ones.
	if got := keptCounter.accepted(t); keptAccepted > 4 || got > 4 {
		t.Errorf("the backend that is as before has accepted %d connections, and %d during the reloads", keptAccepted, got-keptAccepted)
	}
	t.Logf("%d reloads, %d uploads; before: %+v, after: %+v; the same backend accepted %d, the changing one %d connections",
		done, load.uploaded.Load(), before, after, keptCounter.accepted(t), changingCounter.accepted(t))
	if after.goroutines > before.goroutines+3 || after.descriptors > before.descriptors+8 {
		t.Errorf("goroutines and descriptors: %d and %d, before %d and %d", after.goroutines, after.descriptors, before.goroutines, before.descriptors)
	}
	allowed := int64(32 << 20)
	if raceEnabled {
		allowed *= 8 // the race detector keeps shadow memory of eight times the size
	}
	if more := after.memory - before.memory; more > allowed {
		t.Errorf("%d MiB more memory than before", more>>20)
	}
}

// runReloadLoad starts the clients, calls reload again and again until h2load and wrk have ended, a hundred times at
// least unless it does nothing, and ends the other clients.
func runReloadLoad(t *testing.T, g *child, sockets, streams int, duration time.Duration, reload func()) *reloadLoad {
	t.Helper()
	l := &reloadLoad{gateway: g, uploadsEnd: make(chan bool), generatorsTime: duration}
	for i := range sockets {
		l.sockets = append(l.sockets, g.webSocket([]string{"/ws", "/changing/ws"}[i%2]))
	}
	for i := range streams {
		l.events = append(l.events, openEvents(t, g, []string{"", "/changing"}[i%2]+"/events?every=20ms"))
	}
	l.start(t)
	// Before its clients, wrk opens a connection to see whether it can.
	l.connectionsIn = sockets + streams + 2*generatorClients + 1 + uploadClients
	ended := make(chan bool)
	go func() {
		l.generators.Wait()
		close(ended)
	}()
	for n, running := 0, true; running || n < reloads; n++ {
		reload()
		for i, w := range l.sockets {
			if i%10 == n%10 {
				_ = w.conn.SetDeadline(time.Now().Add(patience))
				w.say(fmt.Sprint(n))
				w.hears(fmt.Sprint(n))
			}
		}
		select {
		case <-ended:
			running = false
		case <-time.After(duration / reloads / 2):
		}
	}
	close(l.uploadsEnd)
	l.uploads.Wait()
	for i, w := range l.sockets {
		_ = w.conn.SetDeadline(time.Now().Add(patience))
		w.say("the last")
		w.hears("the last")
		if err := w.conn.Close(); err != nil {
			t.Errorf("WebSocket %d: %v", i, err)
		}
	}
	for i, e := range l.events {
		if err := e.end(); err != nil {
			t.Errorf("event stream %d: %v", i, err)
		}
	}
	return l
}

// start starts h2load, wrk and the uploads.
func (l *reloadLoad) start(t *testing.T) {
	url := "http://" + l.gateway.address()
	seconds := strconv.Itoa(max(1, int(l.generatorsTime.Seconds())))
	clients := strconv.Itoa(generatorClients)
	l.generators.Go(func() {
		text, err := reportOf(t, "h2load", "-c", clients, "-m", "4", "-t", "1", "-D", seconds, url+"/bytes/100", url+"/changing/bytes/100")
		if err != nil || !regexp.MustCompile(` 0 failed, 0 errored, 0 timeout`).MatchString(text) || !regexp.MustCompile(`, 0 3xx, 0 4xx, 0 5xx`).MatchString(text) {
			t.Errorf("h2load: %v\n%s", err, text)
		}
	})
	l.generators.Go(func() {
		text, err := reportOf(t, "wrk", "-c", clients, "-t", "1", "-d", seconds, "--timeout", "20s", url+"/changing/bytes/100")
		if err != nil || strings.Contains(text, "Socket errors") || strings.Contains(text, "Non-2xx") || !strings.Contains(text, "requests in") {
			t.Errorf("wrk: %v\n%s", err, text)
		}
	})
	content := bytes.Repeat([]byte("content "), 32<<10)
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	for i := range uploadClients {
		l.uploads.Go(func() {
			c := &http.Client{Transport: transport(1+i%2, false), Timeout: patience}
			defer c.CloseIdleConnections()
			for n := i / 2; ; n++ {
				select {
				case <-l.uploadsEnd:
					return
				default:
				}
				resp, err := c.Post(url+[]string{"", "/changing"}[n%2]+"/upload?rate=2MiB", "text/plain", bytes.NewReader(content))
				if err != nil {
					t.Errorf("an upload: %v", err)
					return
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || !strings.Contains(string(text), sum) {
					t.Errorf("an upload: %s, %q, %v", resp.Status, text, err)
					return
				}
				l.uploaded.Add(1)
			}
		})
	}
}

// reportOf returns what a load generator prints.
func reportOf(t *testing.T, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, toolPath(t, program), args...).CombinedOutput()
	return string(out), err
}

// events is a client of an event stream.
type events struct {
	cancel context.CancelFunc
	done   chan error // what has ended the stream before end was called
	last   atomic.Int64
}

// openEvents opens a stream of /events, whose events are numbered.
func openEvents(t *testing.T, g *child, path string) *events {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport(1, false)}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	e := &events{cancel: cancel, done: make(chan error, 1)}
	go func() {
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				if want := strconv.FormatInt(e.last.Load()+1, 10); id != want {
					e.done <- fmt.Errorf("event %s came in place of %s", id, want)
					return
				}
				e.last.Add(1)
			}
		}
		e.done <- fmt.Errorf("the stream has ended: %v", lines.Err())
	}()
	return e
}

// end waits for one more event and closes the stream. It returns what has ended the stream before.
func (e *events) end() error {
	defer e.cancel()
	for last, deadline := e.last.Load(), time.Now().Add(patience); e.last.Load() == last; time.Sleep(time.Millisecond) {
		select {
		case err := <-e.done:
			return err
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no event comes behind event %d", last)
		}
	}
	return nil
}

// writeFile replaces a file at once.
func writeFile(t *testing.T, name, text string) {
	t.Helper()
	err := os.WriteFile(name+".next", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(name+".next", name)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func getWith(t *testing.T, client *http.Client, c *child, path string) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.address()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return answer(t, client, r)
}

// gatewayCounts are those of /count on --admin that the tests of reloading read.
type gatewayCounts struct {
	Accepted int `json:"connections_accepted"`
	Open     int `json:"connections_open"` // those to servers included
	Gateway  struct {
		Exchanges map[string]int
		Active    int `json:"upstream_active"`
		Upstream  int `json:"upstream_connections_open"`
		Reloads   struct{ OK, Failed int }
	}
}

// adminClient reads /count over one connection.
type adminClient struct {
	url    string
	client *http.Client
	own    int // connections of its own that are counted
}

func adminOf(c *child) *adminClient {
	return &adminClient{url: adminURL(c) + "/count", client: &http.Client{Transport: transport(1, false), Timeout: patience}}
}

// counterOf is adminOf for a server.
func counterOf(c *child) *adminClient {
	return &adminClient{url: "http://" + c.address() + "/count", client: &http.Client{Transport: transport(1, false), Timeout: patience}, own: 1}
}

func (a *adminClient) counts(t *testing.T) (n gatewayCounts) {
	t.Helper()
	resp, err := a.client.Get(a.url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&n); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return n
}

// accepted returns the number of connections without that of the questions.
func (a *adminClient) accepted(t *testing.T) int {
	t.Helper()
	return a.counts(t).Accepted - a.own
}

// remains is what a process has when its clients have left.
type remains struct {
	memory                  int64 // resident, in bytes
	goroutines, descriptors int
}

// residue waits until the clients of the gateway have left and their requests have ended, and returns the least memory
// of two seconds: the process returns memory when it is quiet.
func residue(t *testing.T, g *child, admin *adminClient) remains {
	t.Helper()
	deadline := time.Now().Add(patience)
	for n := admin.counts(t); n.Open-n.Gateway.Upstream > admin.own || n.Gateway.Active > 0; n = admin.counts(t) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections and %d requests remain", n.Open-n.Gateway.Upstream, n.Gateway.Active)
		}
		time.Sleep(10 * time.Millisecond)
	}
	r := remains{memory: math.MaxInt64}
	for quiet := time.Now().Add(2 * time.Second); time.Now().Before(quiet); time.Sleep(50 * time.Millisecond) {
		r.memory = min(r.memory, g.memory("VmRSS"))
	}
	said := len(g.stderr.String())
	g.signal(syscall.SIGWINCH)
	var found []string
	for found == nil && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
		found = regexp.MustCompile(`goroutines: (\d+)\n`).FindStringSubmatch(g.stderr.String()[said:])
	}
	if found == nil {
		t.Fatal("the program does not count its goroutines")
	}
	r.goroutines, _ = strconv.Atoi(found[1])
	files, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(g.cmd.Process.Pid), "fd"))
	if err != nil {
		t.Fatal(err)
	}
	r.descriptors = len(files)
	return r
}
