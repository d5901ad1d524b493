package client

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Paced is a load of requests over HTTP/1.1 at a fixed rate, each at a time that was set beforehand. A request that has
// to wait for the one before has its latency from that time, so that a server that pauses is not spared (coordinated
// omission).
type Paced struct {
	Address     string
	Path        string
	Content     string
	Connections int
	Rate        float64 // requests a second, of all connections; 0: each as soon as the one before is answered
	Duration    time.Duration
}

// PacedResult has the requests that were answered and the times to their answers.
type PacedResult struct {
	Messages       int64
	Elapsed        time.Duration
	P50, P99, P999 time.Duration
}

// longestLatency bounds what the histogram tells apart.
const longestLatency = 60 * time.Second

// Run opens the connections, calls ready, and asks until the time is over.
func (p Paced) Run(ready func()) (PacedResult, error) {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for range p.Connections {
		c, err := dial(p.Address, false, "")
		if err != nil {
			return PacedResult{}, err
		}
		conns = append(conns, c)
		if err := exchangeH1(c, p.Path, p.Content); err != nil {
			return PacedResult{}, err
		}
	}
	ready()
	all := hdrhistogram.New(1, int64(longestLatency), 3)
	var mu sync.Mutex
	var failure error
	var group sync.WaitGroup
	begun := time.Now()
	for i, c := range conns {
		group.Go(func() {
			seen, err := p.ask(c, i, begun)
			mu.Lock()
			defer mu.Unlock()
			all.Merge(seen)
			failure = errors.Join(failure, err)
		})
	}
	group.Wait()
	at := func(percentile float64) time.Duration { return time.Duration(all.ValueAtQuantile(percentile)) }
	return PacedResult{Messages: all.TotalCount(), Elapsed: time.Since(begun), P50: at(50), P99: at(99), P999: at(99.9)}, failure
}

// ask makes the requests of connection i.
func (p Paced) ask(c net.Conn, i int, begun time.Time) (*hdrhistogram.Histogram, error) {
	seen := hdrhistogram.New(1, int64(longestLatency), 3)
	if err := c.SetDeadline(begun.Add(p.Duration + Patience)); err != nil {
		return seen, err
	}
	var step time.Duration
	if p.Rate > 0 {
		step = time.Duration(float64(p.Connections) / p.Rate * float64(time.Second))
	}
	in := bufio.NewReaderSize(c, 1024)
	request := "GET " + p.Path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	// Connections take turns.
	due := begun.Add(step * time.Duration(i) / time.Duration(p.Connections))
	for ; ; due = due.Add(step) {
		if step == 0 {
			due = time.Now()
		}
		if due.Sub(begun) >= p.Duration && seen.TotalCount() > 0 {
			return seen, nil
		}
		time.Sleep(time.Until(due))
		if _, err := io.WriteString(c, request); err != nil {
			return seen, err
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			return seen, err
		}
		n, err := io.Copy(io.Discard, response.Body)
		if err != nil {
			return seen, err
		}
		if response.StatusCode != http.StatusOK || n != int64(len(p.Content)) {
			return seen, fmt.Errorf("answered %s with %d bytes", response.Status, n)
		}
		if err := seen.RecordValue(min(int64(time.Since(due)), int64(longestLatency))); err != nil {
			return seen, err
		}
	}
}
