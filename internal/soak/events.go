//go:build linux

package soak

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

var lastingElements = []element{
	{"event streams", 4, (*operation).events, false},
	{"content that drips", 4, (*operation).drip, false},
	{"delays and work on the pool", 6, (*operation).delays, false},
}

// events reads numbered events. A stream that ends early during a restart continues by Last-Event-ID, as EventSource
// does.
func (op *operation) events() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	last, received := 5+op.rand.IntN(20), 0
	every := 10 + op.rand.IntN(100)
	if op.lasts() {
		every = 500
	}
	path := fmt.Sprintf("/events?n=%d&every=%dms", last, every)
	for received < last {
		n, err := op.listen(client, p, path, received)
		received += n
		if err != nil {
			return in(fmt.Sprintf("event %d of %d by %v", received+1, last, p), err)
		}
		if received == last {
			break
		}
		if !op.restarting() {
			return wrong("an event stream ended after %d of %d events", received, last)
		}
		op.explain(StreamEnded)
	}
	op.answered(1)
	return nil
}

// listen reads events after a number until the stream ends, and returns how many were whole.
func (op *operation) listen(client *http.Client, p protocol, path string, after int) (n int, err error) {
	request, err := http.NewRequestWithContext(op.ctx, http.MethodGet, op.to.url(p, path), nil)
	if err != nil {
		return 0, err
	}
	if after > 0 {
		request.Header.Set("Last-Event-ID", strconv.Itoa(after))
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if kind := response.Header.Get("Content-Type"); response.StatusCode != 200 || !strings.HasPrefix(kind, "text/event-stream") {
		return 0, wrong("%s, %q", response.Status, kind)
	}
	lines := bufio.NewReader(response.Body)
	data := ""
	for {
		line, err := lines.ReadString('\n')
		line = strings.TrimSuffix(line, "\n")
		switch name, value, _ := strings.Cut(line, ": "); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case name == "data":
			data = value
		case line == "" && data != "":
			if n++; data != strconv.Itoa(after+n) {
				return n, wrong("event %q, want %d", data, after+n)
			}
			data = ""
		}
	}
}

// drip reads content that comes in small parts.
func (op *operation) drip() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	total, part := 100+op.rand.IntN(1000), 20+op.rand.IntN(50)
	var content []byte
	for left := total; left > 0; left -= part {
		content = append(content, patternAt(0, min(part, left))...)
	}
	return op.request(client, p, http.MethodGet, fmt.Sprintf("/drip?bytes=%d&size=%d&every=10ms", total, part), nil, nil, ofBytes(content))
}

// delays asks for responses that come later.
func (op *operation) delays() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	d := fmt.Sprintf("%dms", 1+op.rand.IntN(100))
	if err := op.request(client, p, http.MethodGet, "/delay/"+d, nil, nil, ofBytes([]byte("after "+d+"\n"))); err != nil {
		return err
	}
	return op.request(client, p, http.MethodGet, "/offload/"+d, nil, nil, ofBytes([]byte("after "+d+" in the pool\n")))
}
