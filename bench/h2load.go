package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/bench/rival"
)

var (
	h2loadDone    = regexp.MustCompile(`finished in ([0-9.]+)(s|ms|us)`)
	h2loadCounts  = regexp.MustCompile(`requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout`)
	h2loadContent = regexp.MustCompile(`\((\d+)\) data`)
)

// h2load loads HTTP/2 over so many connections with so many streams each, or HTTP/1.1 with one request at a time on each.
// The number of requests is fixed beforehand from the server's known rate, so that every single one can be accounted for.
func h2load(connections, streams int) load {
	return func(r *runner, t *target, d time.Duration) (tally, error) {
		var known tally
		whole := int64(connections * streams)
		if t.rate == 0 {
			var err error
			if known, err = h2loadRun(r, t, connections, streams, max(whole, t.setup.probes())); err != nil {
				return tally{}, err
			}
			t.rate = float64(known.requests) / known.elapsed.Seconds()
		}
		requests := max(1, int64(t.rate*d.Seconds())/whole) * whole
		done, err := h2loadRun(r, t, connections, streams, requests)
		if err != nil {
			return tally{}, err
		}
		t.rate = float64(done.requests) / done.elapsed.Seconds()
		return tally{requests: known.requests + done.requests, elapsed: known.elapsed + done.elapsed}, nil
	}
}

func h2loadRun(r *runner, t *target, connections, streams int, requests int64) (tally, error) {
	argv := []string{"h2load", "-t", "1", "-c", strconv.Itoa(connections), "-m", strconv.Itoa(streams), "-n", strconv.FormatInt(requests, 10)}
	if !t.setup.protocol.multi() {
		argv = append(argv, "--h1")
	}
	if t.setup.file > 0 {
		argv = append(argv, "-w", "24", "-W", "28") // windows of 16 and 256 MiB, so that they do not decide
	}
	content, err := t.setup.requestContent()
	if err != nil {
		return tally{}, err
	}
	argv = append(argv, content...)
	out, err := run(r.generator(append(argv, t.url())))
	if err != nil {
		return tally{}, err
	}
	counts, received, finished := h2loadCounts.FindStringSubmatch(out), h2loadContent.FindStringSubmatch(out), h2loadDone.FindStringSubmatch(out)
	if counts == nil || received == nil || finished == nil {
		return tally{}, fmt.Errorf("h2load printed no counts: %s", out)
	}
	want := strconv.FormatInt(requests, 10)
	if counts[4] != want || counts[5] != "0" || counts[6] != "0" {
		return tally{}, errors.New("h2load: " + counts[0])
	}
	if received[1] != strconv.FormatInt(requests*int64(t.setup.contentLength()), 10) {
		return tally{}, fmt.Errorf("h2load: %s bytes of content for %s requests", received[1], want)
	}
	elapsed, err := time.ParseDuration(finished[1] + finished[2])
	return tally{requests: requests, elapsed: elapsed}, err
}

// requestContent returns the arguments of h2load about the content of each request.
func (s *setup) requestContent() ([]string, error) {
	switch {
	case s.unary:
		file, err := s.write("content", rival.UnaryContent)
		return []string{"-d", file, "-H", "content-type: application/grpc", "-H", "te: trailers"}, err
	case s.upload > 0:
		return []string{"-d", filepath.Join(s.root(), fileName(s.upload)), "-H", "content-type: application/octet-stream"}, nil
	}
	return nil, nil
}
