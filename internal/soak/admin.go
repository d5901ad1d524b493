//go:build linux

package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// admin asks the admin listeners, with a connection for each request, so that none stays.
var admin = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   patience,
}

// get returns the answer of the admin listener, which must have status 200.
func (p *program) get(path string) (string, error) { return p.ask(http.MethodGet, path, http.StatusOK) }

func (p *program) ask(method, path string, status int) (string, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+p.admin+path, nil)
	if err != nil {
		return "", err
	}
	response, err := admin.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != status {
		return "", fmt.Errorf("%s %s of the admin listener: %s, want %d: %.300s", method, path, response.Status, status, content)
	}
	return string(content), nil
}

// version is a part of /version.
type version struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
}

func (p *program) version() (version, error) {
	var v version
	text, err := p.get("/version")
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal([]byte(text), &v)
}

// metrics are the sums of the series of each family.
type metrics map[string]float64

func (p *program) metrics() (metrics, error) {
	text, err := p.get("/metrics")
	if err != nil {
		return nil, err
	}
	m := metrics{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, value := line, ""
		if i := strings.LastIndexByte(line, ' '); i >= 0 {
			name, value = line[:i], line[i+1:]
		}
		name, _, _ = strings.Cut(name, "{")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			m[name] += number
		}
	}
	return m, lines.Err()
}

// A Measure is what a program holds at a moment without load.
type Measure struct {
	PID         int     `json:"pid"`
	LiveHeap    float64 `json:"live_heap_bytes"`
	RSS         float64 `json:"rss_bytes"`
	Descriptors int     `json:"descriptors"`
	Goroutines  int     `json:"goroutines"`
	Connections int     `json:"connections"` // of clients and to other servers
}

// measure returns what the program holds.
func (p *program) measure() (Measure, error) {
	pid := p.pid()
	m, err := p.metrics()
	if err != nil {
		return Measure{}, err
	}
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		return Measure{}, err
	}
	return Measure{
		PID: pid, LiveHeap: m["go_memstats_heap_alloc_bytes"], RSS: m["process_resident_memory_bytes"],
		Descriptors: len(entries), Goroutines: int(m["go_goroutines"]),
		Connections: int(m["gatewheel_connections"] + m["gatewheel_upstream_connections"]),
	}, nil
}

// within returns an error for each quantity that has grown beyond its bound since start.
func (m Measure) within(b Bounds, start Measure) error {
	var errs []error
	over := func(name string, was, is, more float64) {
		if is > was+more {
			errs = append(errs, fmt.Errorf("%s: %.0f at the start, %.0f at the end, more than %.0f added", name, was, is, more))
		}
	}
	over("live heap", start.LiveHeap, m.LiveHeap, b.Heap)
	over("resident memory", start.RSS, m.RSS, b.RSS)
	over("descriptors", float64(start.Descriptors), float64(m.Descriptors), float64(b.Descriptors))
	over("goroutines", float64(start.Goroutines), float64(m.Goroutines), float64(b.Goroutines))
	over("connections", float64(start.Connections), float64(m.Connections), float64(b.Connections))
	return errors.Join(errs...)
}

// quiet is the time after which a program without requests has collected its garbage and returned free memory
// (cmd/gatewheel/memory.go), and the gateway has closed its connections to the application.
const quiet = upstreamIdle + 2*time.Second

// settle measures after a quiet time, again until check accepts, for limit at most. It returns the last measure.
func (p *program) settle(ctx context.Context, limit time.Duration, check func(Measure) error) (Measure, error) {
	deadline := time.Now().Add(limit)
	for {
		select {
		case <-ctx.Done():
		case <-time.After(quiet):
		}
		m, err := p.measure()
		if err == nil {
			err = check(m)
		}
		if err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			if err != nil {
				list, _ := p.get("/connections?limit=5&sort=age")
				err = fmt.Errorf("%w; the oldest: %.1500s", err, list)
			}
			return m, err
		}
	}
}
