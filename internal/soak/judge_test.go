//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// faulty is an operation whose program is a handler, which may answer wrongly.
func faulty(t *testing.T, h http.HandlerFunc) *operation {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	p := &program{name: "faulty", plain: strings.TrimPrefix(s.URL, "http://")}
	e := &environment{ledger: newLedger(), kept: map[clientKey]*http.Client{}, gateway: p, serve: p, authority: &authority{}}
	t.Cleanup(e.closeIdle)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &operation{environment: e, ctx: ctx, element: "test", began: time.Now(), to: p}
}

func (op *operation) ask(method string, w want) error {
	var content io.Reader
	if method == http.MethodPost {
		content = withoutLength{strings.NewReader("content")}
	}
	return op.request(op.keptClient(op.to, http1), http1, method, "/", nil, content, w)
}

// An answer that differs in anything is a failure.
func TestWrongAnswersAreNoticed(t *testing.T) {
	right := patternAt(0, 100_000)
	answers := map[string]struct {
		answer http.HandlerFunc
		want   string // part of the failure; "" for none
	}{
		"right":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(right) }, ""},
		"other status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = w.Write(right) }, "status 201, want 200"},
		"too short":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(right[:99_999]) }, "99999 bytes, want 100000"},
		"other byte": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(right[:50_000])
			_, _ = w.Write(right[49_999:99_999])
		}, "SHA-256"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(right[:50_000])
			panic(http.ErrAbortHandler)
		}, "unexpected EOF"},
	}
	for name, a := range answers {
		t.Run(name, func(t *testing.T) {
			err := faulty(t, a.answer).ask(http.MethodGet, ofPattern(100_000))
			if got := fmt.Sprint(err); a.want == "" && err != nil || a.want != "" && !strings.Contains(got, a.want) {
				t.Errorf("%s, want %q", got, a.want)
			}
		})
	}
}

// A connection that closes in place of an answer explains the failure of a POST during a restart, and nothing else.
func TestWhatARestartExplains(t *testing.T) {
	drop := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, c := range []struct {
		method     string
		restarting bool
		explained  bool
	}{
		{http.MethodPost, true, true},
		{http.MethodPost, false, false},
		{http.MethodGet, true, false},
		{http.MethodGet, false, false},
	} {
		op := faulty(t, drop)
		if c.restarting {
			op.to.windows.begin()
		}
		err := op.ask(c.method, ofPattern(1))
		if explained := err == nil && op.ledger.total.Explained[KeptClosed] == 1; explained != c.explained {
			t.Errorf("%s without an answer, during a restart: %v: %v, explained: %v, want %v", c.method, c.restarting, err, explained, c.explained)
		}
	}
}

// A window of a restart ends, but not for what began in it.
func TestWindows(t *testing.T) {
	var w windows
	before := time.Now()
	if w.overlap(before) {
		t.Error("there was no restart")
	}
	w.begin()
	if !w.overlap(time.Now()) {
		t.Error("a restart is in progress")
	}
	w.end()
	if !w.overlap(before) || w.overlap(time.Now().Add(aftermath+time.Second)) {
		t.Error("what began before the end of a restart overlaps it, and what began long after it does not")
	}
}

// A refused connection is never explained, restart or not.
func TestRefusedConnectionsAreFailures(t *testing.T) {
	op := faulty(t, nil)
	op.to.plain = testport.Address(t)
	op.to.windows.begin()
	if op.mayBeLost(http.MethodPost, op.ask(http.MethodPost, ofPattern(1))) {
		t.Error("a connection that is refused counts as one that a restart has closed")
	}
}

// A quantity beyond its bound is named.
func TestGrowthIsNoticed(t *testing.T) {
	b := Bounds{Heap: 100, RSS: 100, Descriptors: 1, Goroutines: 1, Connections: 1}
	start := Measure{LiveHeap: 1000, RSS: 1000, Descriptors: 10, Goroutines: 10, Connections: 10}
	if err := (Measure{LiveHeap: 1100, RSS: 1100, Descriptors: 11, Goroutines: 11, Connections: 11}).within(b, start); err != nil {
		t.Errorf("within the bounds: %v", err)
	}
	err := Measure{LiveHeap: 1101, RSS: 1101, Descriptors: 12, Goroutines: 12, Connections: 12}.within(b, start)
	for _, name := range []string{"live heap", "resident memory", "descriptors", "goroutines", "connections"} {
		if err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is missing in %v", name, err)
		}
	}
}

// A report has failed if a failure is unexplained, something has grown, or an access log lacks an answered request.
func TestFailedReports(t *testing.T) {
	passed := Report{Served: map[string]Served{"serve": {Requests: 5, Answered: 5}}}
	if failed := passed.Failed(); failed != nil {
		t.Errorf("nothing is wrong, but: %q", failed)
	}
	l := newLedger()
	l.unexplained("test", 7, "serve", errors.New("no answer"))
	failed := Report{Growth: []string{"grown"}, Served: map[string]Served{"serve": {Requests: 4, Answered: 5}}, Warnings: []string{"warned"}}
	failed.fill(l)
	all := strings.Join(failed.Failed(), "\n")
	for _, part := range []string{"1 failures are unexplained", "operation 7 at serve: no answer", "grown", "has 4 requests, and 5 were answered", "warned"} {
		if !strings.Contains(all, part) {
			t.Errorf("%q is missing in %q", part, all)
		}
	}
}
