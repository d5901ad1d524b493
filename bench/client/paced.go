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

// Paced is a load of requests over HTTP/1.1 at a fixed rate, each at a time that is set beforehand. A request that has
// to wait for the response before it has its latency from that time on, so that the pauses of a server count (coordinated
// omission).
type Paced struct {
	Address     string
	Path        string
	Content     string
	Connections int
	Rate        float64 // requests a second, of all connections; 0: each as soon as the one before is answered
	Duration    time.Duration
}

// PacedResult has the number of requests that were answered, and the times to their answers.
type PacedResult struct {
	Count          int64
	Elapsed        time.Duration
	P50, P99, P999 time.Duration
	// Late is how late this client sends, at the 99th percentile: the time from when a request is due, and the response
	// before it is there, until it is sent. The latencies contain it. 0 without a rate.
	Late time.Duration
}

// longestLatency bounds what the histograms tell apart.
const longestLatency = 60 * time.Second

// Run sends requests until the time is over.
func (p Paced) Run(ready func(), done func(PacedResult)) error {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for range p.Connections {
		c, err := dial(p.Address, false, "")
		if err != nil {
			return err
		}
		conns = append(conns, c)
		if err := exchangeH1(c, p.Path, p.Content); err != nil {
			return err
		}
	}
	ready()
	result, err := p.drive(conns)
	if err != nil {
		return err
	}
	done(result)
	return nil
}

// drive sends requests on the connections until the time is over.
func (p Paced) drive(conns []net.Conn) (PacedResult, error) {
	all := newTimes()
	var mu sync.Mutex
	var failure error
	var group sync.WaitGroup
	schedule, err := p.newSchedule()
	if err != nil {
		return PacedResult{}, err
	}
	defer schedule.stop()
	for i, c := range conns {
		group.Go(func() {
			seen, err := p.ask(c, i, schedule)
			mu.Lock()
			defer mu.Unlock()
			all.merge(seen)
			failure = errors.Join(failure, err)
		})
	}
	group.Wait()
	at := func(percentile float64) time.Duration { return time.Duration(all.answered.ValueAtQuantile(percentile)) }
	return PacedResult{Count: all.answered.TotalCount(), Elapsed: time.Since(schedule.begun), P50: at(50), P99: at(99), P999: at(99.9),
		Late: time.Duration(all.late.ValueAtQuantile(99))}, failure
}

// times are the times of requests, in nanoseconds.
type times struct {
	answered *hdrhistogram.Histogram // from when they were due to their responses
	late     *hdrhistogram.Histogram // see PacedResult.Late
}

func newTimes() times {
	return times{hdrhistogram.New(1, int64(longestLatency), 3), hdrhistogram.New(1, int64(longestLatency), 3)}
}

func (t times) merge(other times) {
	t.answered.Merge(other.answered)
	t.late.Merge(other.late)
}

// record adds a time to a histogram of times.
func record(h *hdrhistogram.Histogram, d time.Duration) error {
	return h.RecordValue(min(int64(d), int64(longestLatency)))
}

// ask makes the requests of connection i.
func (p Paced) ask(c net.Conn, i int, s *schedule) (times, error) {
	seen := newTimes()
	if err := c.SetDeadline(s.begun.Add(p.Duration + Patience)); err != nil {
		return seen, err
	}
	in := bufio.NewReaderSize(c, 1024)
	request := "GET " + p.Path + " HTTP/1.1\r\nHost: localhost\r\n\r\n"
	free := s.begun // when the response before has arrived
	for n := 0; ; n++ {
		due := free
		if s.paced() {
			due = s.due(n, i)
		}
		if n > 0 && due.Sub(s.begun) >= p.Duration {
			return seen, nil
		}
		if s.paced() {
			sent, err := s.wait(i, due)
			if err != nil {
				return seen, err
			}
			if free.Before(due) {
				free = due
			}
			if err := record(seen.late, sent.Sub(free)); err != nil {
				return seen, err
			}
		}
		if err := p.exchange(c, in, request); err != nil {
			return seen, err
		}
		free = time.Now()
		if err := record(seen.answered, free.Sub(due)); err != nil {
			return seen, err
		}
	}
}

// exchange sends a request and reads its response.
func (p Paced) exchange(c net.Conn, in *bufio.Reader, request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != int64(len(p.Content))) {
		err = fmt.Errorf("answered %s with %d bytes", response.Status, n)
	}
	return err
}
