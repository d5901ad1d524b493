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

// A load that is a role of this program opens its connections, prints readyLine, and loads the server after startLine was
// sent to it. It prints its result as JSON, and closes its connections once its standard input is closed. The processor
// time of the server is read before startLine and after the result.
const (
	readyLine = "ready"
	startLine = "start"
)

// loadRole returns the role that runs a load of type L.
func loadRole[L any, R any](run func(l L, ready func(), done func(R)) error) func(args []string) error {
	return func(args []string) error {
		var l L
		if err := json.Unmarshal([]byte(strings.Join(args, " ")), &l); err != nil {
			return err
		}
		var unable error
		ready := func() {
			fmt.Println(readyLine)
			_, unable = io.ReadFull(os.Stdin, make([]byte, len(startLine)+1))
		}
		done := func(result R) {
			unable = errors.Join(unable, json.NewEncoder(os.Stdout).Encode(result))
			_, _ = io.Copy(io.Discard, os.Stdin)
		}
		return errors.Join(run(l, ready, done), unable)
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
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	killer := killAfter(cmd)
	cpu, err := t.roleWindow(in, out, result)
	_ = in.Close()
	failed := cmd.Wait()
	if !killer.Stop() {
		return 0, fmt.Errorf("the load %s did not end within %v", role, patience)
	}
	if failed != nil {
		return 0, fmt.Errorf("the load %s has failed: %w: %s", role, failed, lastLine(said.String()))
	}
	return cpu, err
}

// roleWindow starts a role that is ready, reads its result, and returns the processor time of the server between both.
func (t *target) roleWindow(in io.Writer, out io.Reader, result any) (time.Duration, error) {
	if err := untilReady(out); err != nil {
		return 0, err
	}
	before, err := t.process.cpu()
	if err != nil {
		return 0, err
	}
	if _, err := io.WriteString(in, startLine+"\n"); err != nil {
		return 0, err
	}
	if err := json.NewDecoder(out).Decode(result); err != nil {
		return 0, fmt.Errorf("the load has printed no result: %w", err)
	}
	after, err := t.process.cpu()
	return after - before, err
}

// untilReady reads readyLine.
func untilReady(out io.Reader) error {
	line := make([]byte, len(readyLine)+1)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != readyLine+"\n" {
		return errors.New("the load has not become ready")
	}
	return nil
}

// counted returns a load that is a role whose result is a client.Result. describe returns what the role is given.
func counted(role string, describe func(r *runner, t *target, d time.Duration) any) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var result client.Result
		cpu, err := r.roleLoad(t, role, describe(r, t, d), &result)
		return tally{requests: result.Count, elapsed: result.Elapsed, cpu: cpu}, err
	}
}

// handshakes loads new TLS connections, with full handshakes or resumed ones.
func handshakes(clients int, resume bool) load {
	return counted("handshakes", func(_ *runner, t *target, d time.Duration) any {
		return client.Handshakes{Address: t.setup.address(), Path: t.setup.path(), Content: t.setup.content(),
			Clients: clients, Resume: resume, Duration: d}
	})
}

// room loads a chat room. What is counted are the messages that members receive.
func room(members int) load {
	return counted("room", func(r *runner, t *target, d time.Duration) any {
		return client.Room{Address: t.setup.address(), Path: t.setup.path(), Members: r.atMost(members), Duration: d}
	})
}

// eventStreams loads clients that read an event a second each, for whole seconds, which have whole numbers of events.
func eventStreams(clients int) load {
	return counted("events", func(r *runner, t *target, d time.Duration) any {
		return client.Events{Address: t.setup.address(), Path: t.setup.path(), Connections: r.atMost(clients),
			Duration: max(d.Round(time.Second), 2*time.Second)}
	})
}

// paced loads HTTP/1.1 at the rate of the round, or as fast as it goes if there is none yet.
func paced(connections int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var result client.PacedResult
		cpu, err := r.roleLoad(t, "paced", client.Paced{Address: t.setup.address(), Path: t.setup.path(), Content: t.setup.content(),
			Connections: connections, Rate: t.pace, Duration: d}, &result)
		return tally{requests: result.Count, elapsed: result.Elapsed, cpu: cpu,
			p50: result.P50, p99: result.P99, p999: result.P999, late: result.Late}, err
	}
}

// atMost returns n, or fewer in a run with few connections.
func (r *runner) atMost(n int) int { return min(n, r.held) }
