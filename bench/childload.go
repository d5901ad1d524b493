package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/bench/client"
)

// A load that is a role of this program opens its connections, prints readyLine, loads the server, and prints its result
// as JSON. The processor time of the server counts from the line on.
const readyLine = "ready"

// loadRole returns the role that runs a load of type L.
func loadRole[L any, R any](run func(l L, ready func()) (R, error)) func(args []string) error {
	return func(args []string) error {
		var l L
		if err := json.Unmarshal([]byte(strings.Join(args, " ")), &l); err != nil {
			return err
		}
		result, err := run(l, func() { fmt.Println(readyLine) })
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	}
}

// roleLoad runs a load that is a role of this program, stores its result, and returns the processor time that the server
// has used for it.
func (r *runner) roleLoad(t *target, role string, l, result any) (time.Duration, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return 0, err
	}
	cmd := pinned(r.cores.load, []string{r.self, role, string(text)})
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	killer := killAfter(cmd)
	cpu, err := t.readRole(out, result)
	failed := cmd.Wait()
	if !killer.Stop() {
		return 0, fmt.Errorf("the load %s did not end within %v", role, patience)
	}
	if failed != nil {
		return 0, fmt.Errorf("the load %s has failed: %w: %s", role, failed, lastLine(said.String()))
	}
	return cpu, err
}

// readRole reads what a role prints.
func (t *target) readRole(out io.Reader, result any) (time.Duration, error) {
	rest, err := untilReady(out)
	if err != nil {
		return 0, err
	}
	before, err := t.process.cpu()
	if err != nil {
		return 0, err
	}
	if err := json.NewDecoder(rest).Decode(result); err != nil {
		return 0, fmt.Errorf("the load has printed no result: %w", err)
	}
	after, err := t.process.cpu()
	return after - before, err
}

// untilReady reads readyLine and returns what follows.
func untilReady(out io.Reader) (io.Reader, error) {
	line := make([]byte, len(readyLine)+1)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != readyLine+"\n" {
		return nil, errors.New("the load has not begun")
	}
	return out, nil
}

// handshakes loads new TLS connections, with full handshakes or resumed ones.
func handshakes(clients int, resume bool) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var result client.EchoResult
		cpu, err := r.roleLoad(t, "handshakes", client.Handshakes{Address: t.setup.address(), Path: t.setup.path(),
			Content: t.setup.content(), Clients: clients, Resume: resume, Duration: d}, &result)
		return tally{requests: result.Messages, elapsed: result.Elapsed, cpu: cpu}, err
	}
}

// room loads a chat room. What is counted are the messages that members receive.
func room(members int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var result client.EchoResult
		cpu, err := r.roleLoad(t, "room", client.Room{Address: t.setup.address(), Path: t.setup.path(),
			Members: r.atMost(members), Duration: d}, &result)
		return tally{requests: result.Messages, elapsed: result.Elapsed, cpu: cpu}, err
	}
}

// eventStreams loads clients that read an event a second each.
func eventStreams(clients int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var result client.EchoResult
		// Whole seconds have whole numbers of events.
		d = max(d.Round(time.Second), 2*time.Second)
		cpu, err := r.roleLoad(t, "events", client.Events{Address: t.setup.address(), Path: t.setup.path(),
			Connections: r.atMost(clients), Duration: d}, &result)
		return tally{requests: result.Messages, elapsed: result.Elapsed, cpu: cpu}, err
	}
}

// paced loads HTTP/1.1 at the rate of the round, or as fast as it goes if there is none yet.
func paced(connections int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var result client.PacedResult
		cpu, err := r.roleLoad(t, "paced", client.Paced{Address: t.setup.address(), Path: t.setup.path(), Content: t.setup.content(),
			Connections: connections, Rate: t.pace, Duration: d}, &result)
		return tally{requests: result.Messages, elapsed: result.Elapsed, cpu: cpu,
			p50: result.P50, p99: result.P99, p999: result.P999}, err
	}
}

// atMost returns n, or fewer in a run with few connections.
func (r *runner) atMost(n int) int { return min(n, r.held) }
