package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

// openPatience is the time in which connections are opened, requested once, and counted.
const openPatience = 40 * time.Second

// steady loads HTTP/1.1 over so many connections, each of which has a request in progress all the time. What it returns
// was counted while all of them were open, so that it does not contain the cost of opening and closing them.
func steady(connections int) load { return steadyWithIdle(connections, 0) }

// steadyWithIdle is steady with a server that has so many idle connections in addition.
func steadyWithIdle(connections, idle int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		seconds := int((d + openPatience).Seconds()) + 1 // it is interrupted before that
		cmd := pinned(r.cores.load, []string{"wrk", "-t", "1", "-c", strconv.Itoa(connections), "-d", strconv.Itoa(seconds) + "s", t.url()})
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			return tally{}, err
		}
		done, err := t.window(int64(connections+idle), d)
		// wrk prints its counts when it is interrupted.
		_ = cmd.Process.Signal(os.Interrupt)
		if failed := cmd.Wait(); failed != nil {
			return tally{}, errors.Join(err, fmt.Errorf("wrk: %w: %s", failed, lastLine(said.String())))
		}
		if trouble := wrkTrouble.FindString(said.String()); trouble != "" {
			return tally{}, errors.Join(err, errors.New("wrk: "+trouble))
		}
		return done, err
	}
}

// window waits until the server has that many connections and counts for a time d from then on.
func (t *target) window(connections int64, d time.Duration) (tally, error) {
	reader := &countReader{url: "http://" + t.setup.address() + "/count"}
	defer reader.client.CloseIdleConnections()
	for deadline := time.Now().Add(openPatience / 2); ; time.Sleep(20 * time.Millisecond) {
		now, err := reader.read()
		if err != nil {
			return tally{}, err
		}
		if now.Open > connections { // the reader has one too
			break
		}
		if time.Now().After(deadline) {
			return tally{}, fmt.Errorf("%d connections are open after %v, not %d", now.Open-1, openPatience/2, connections)
		}
	}
	// Each connection has made its first request by then.
	time.Sleep(min(d/4, time.Second))
	first, err := t.now(reader)
	if err != nil {
		return tally{}, err
	}
	time.Sleep(d)
	last, err := t.now(reader)
	return tally{requests: last.requests - first.requests, elapsed: last.at.Sub(first.at), cpu: last.cpu - first.cpu}, err
}

// moment is what a server has counted and used so far. The requests of the reader are not in it.
type moment struct {
	at       time.Time
	requests int64
	cpu      time.Duration
}

func (t *target) now(reader *countReader) (moment, error) {
	counted, err := reader.read()
	if err != nil {
		return moment{}, err
	}
	cpu, err := t.process.cpu()
	return moment{at: time.Now(), requests: counted.Total - reader.reads, cpu: cpu}, err
}

// countReader reads /count of a server over one connection.
type countReader struct {
	url    string
	client http.Client
	reads  int64 // requests that were answered
}

// counts are the counters of /count that are used here.
type counts struct {
	Total int64 `json:"total"`
	Open  int64 `json:"connections_open"`
}

func (r *countReader) read() (c counts, err error) {
	r.client.Timeout = 20 * time.Second
	response, err := r.client.Get(r.url)
	if err != nil {
		return c, err
	}
	r.reads++
	err = json.NewDecoder(response.Body).Decode(&c)
	return c, errors.Join(err, response.Body.Close())
}

const routesScript = `local routes, n, at = {}, %d, 0
init = function(args)
  for i = 0, n - 1 do routes[i] = wrk.format(nil, string.format("/service-%%05d/", i)) end
end
request = function()
  at = (at + 7919) %% n
  return routes[at]
end
`

// wrkRoutes loads a gateway with that many routes. The step between two routes is a prime number that divides no power
// of ten, so that each route has its turn and neighbours do not follow one another.
func wrkRoutes(n int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		return wrkRun(r, t, d, activeConnections, fmt.Appendf(nil, routesScript, n))
	}
}
