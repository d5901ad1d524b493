package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

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

var wrkP99 = regexp.MustCompile(`(?m)^\s*99%\s+([0-9.]+(?:us|ms|s|m))$`)

// p99Of returns the 99th percentile that wrk has printed; 0 if it has printed none.
func p99Of(out string) (time.Duration, error) {
	m := wrkP99.FindStringSubmatch(out)
	if m == nil {
		return 0, nil
	}
	return time.ParseDuration(m[1])
}
