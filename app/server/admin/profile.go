//go:build linux

package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// profileTime is the default time of a profile, maxProfileTime the longest, maxTraceTime that of a trace.
	profileTime    = 10
	maxProfileTime = 60
	maxTraceTime   = 10
	// maxTrace is the size of the largest trace in bytes.
	maxTrace = 64 << 20
)

// profiles lists what takeProfile takes.
func profiles(w http.ResponseWriter, _ *http.Request) {
	var text strings.Builder
	fmt.Fprintf(&text, "profile?seconds=%d  of the processor, %d seconds at most\n", profileTime, maxProfileTime)
	fmt.Fprintf(&text, "trace?seconds=1    of execution, %d seconds and %d MiB at most\n", maxTraceTime, maxTrace>>20)
	for _, name := range snapshots() {
		fmt.Fprintf(&text, "%s?debug=0\n", name)
	}
	text.WriteString("\nOne is taken at a time. go tool pprof reads them, go tool trace the trace.")
	writeText(w, http.StatusOK, text.String())
}

// snapshots returns the names of the profiles that take no time.
func snapshots() (names []string) {
	for _, p := range pprof.Profiles() {
		names = append(names, p.Name())
	}
	slices.Sort(names)
	return names
}

// takeProfile takes one profile at a time and answers with it. A profile ends when its client leaves.
func (s *Server) takeProfile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	q := query{r: r}
	var take func(ctx context.Context, content *bytes.Buffer) error
	switch {
	case name == "profile":
		seconds := q.number("seconds", profileTime, maxProfileTime)
		take = func(ctx context.Context, content *bytes.Buffer) error { return profile(ctx, content, seconds) }
	case name == "trace":
		seconds := q.number("seconds", 1, maxTraceTime)
		take = func(ctx context.Context, content *bytes.Buffer) error { return traced(ctx, content, seconds) }
	case slices.Contains(snapshots(), name):
		debug := q.number("debug", 0, 2)
		take = func(_ context.Context, content *bytes.Buffer) error {
			return pprof.Lookup(name).WriteTo(content, debug)
		}
	default:
		http.NotFound(w, r)
		return
	}
	if q.refused(w, "debug", "seconds") {
		return
	}
	if !s.profile.TryLock() {
		w.Header().Set("Retry-After", "10")
		writeText(w, http.StatusServiceUnavailable, "another profile is being taken")
		return
	}
	defer s.profile.Unlock()
	control := withoutDeadlines(w)
	var content bytes.Buffer
	if err := take(r.Context(), &content); err != nil {
		writeText(w, http.StatusInternalServerError, err.Error())
		return
	}
	if q.r.FormValue("debug") == "" || q.r.FormValue("debug") == "0" {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = w.Write(content.Bytes())
}

// profile takes a profile of the processor.
func profile(ctx context.Context, content *bytes.Buffer, seconds int) error {
	if err := pprof.StartCPUProfile(content); err != nil {
		return err
	}
	wait(ctx, seconds)
	pprof.StopCPUProfile()
	return nil
}

// traced takes a trace of execution.
func traced(ctx context.Context, content *bytes.Buffer, seconds int) error {
	ctx, full := context.WithCancel(ctx)
	defer full()
	b := &bounded{content: content, left: maxTrace, full: full}
	if err := trace.Start(b); err != nil {
		return err
	}
	wait(ctx, seconds)
	trace.Stop()
	return nil
}

func wait(ctx context.Context, seconds int) {
	timer := time.NewTimer(time.Duration(seconds) * time.Second)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// bounded is a writer of left bytes at most, which calls full at the first one beyond.
type bounded struct {
	mu      sync.Mutex
	content *bytes.Buffer
	left    int
	full    func()
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(p) > b.left {
		b.left = 0
		b.full()
		return 0, errors.New("admin: the trace is too large")
	}
	b.left -= len(p)
	return b.content.Write(p)
}
