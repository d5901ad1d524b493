//go:build linux

package soak

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// A want is the answer that a request must get.
type want struct {
	status int
	length int // -1: any
	sum    [sha256.Size]byte
	check  func(*answer) error // nil: nothing more
}

// An answer is what was received.
type answer struct {
	*http.Response
	text []byte // if want has length -1
	size int
}

// ofPattern is the answer with the first n bytes of the pattern.
func ofPattern(n int) want { return want{status: 200, length: n, sum: patternSum(n)} }

// ofBytes is the answer with this content.
func ofBytes(content []byte) want {
	return want{status: 200, length: len(content), sum: sha256.Sum256(content)}
}

var plainElements = []element{
	{"HTTP/1.1, kept connections", 20, func(op *operation) error { return op.getOver(protocol(op.rand.IntN(2)), true) }, false},
	{"HTTP/1.1, new connections", 10, func(op *operation) error { return op.getOver(protocol(op.rand.IntN(2)), false) }, false},
	{"HTTP/2, kept connections", 20, func(op *operation) error { return op.getOver(http2Plain+protocol(op.rand.IntN(2)), true) }, false},
	{"HTTP/2, new connections", 8, func(op *operation) error { return op.getOver(http2Plain+protocol(op.rand.IntN(2)), false) }, false},
	{"HTTP/1.1, pipelined", 8, (*operation).pipelined, false},
	{"statuses", 4, (*operation).statuses, false},
}

// getOver asks for a few contents at once over one client.
func (op *operation) getOver(p protocol, kept bool) error {
	client, done := op.client(p, kept)
	defer done()
	n := 1 + op.rand.IntN(6)
	failed := make(chan error, n)
	for range n {
		size := op.size()
		go func() {
			failed <- op.request(client, p, http.MethodGet, fmt.Sprintf("/bytes/%d", size), nil, nil, ofPattern(size))
		}()
	}
	var errs []error
	for range n {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// client returns the kept client or one of its own, and what ends its use.
func (op *operation) client(p protocol, kept bool) (*http.Client, func()) {
	if kept {
		return op.keptClient(op.to, p), func() {}
	}
	c := op.newClient(p)
	return c, c.CloseIdleConnections
}

// request sends a request and returns nil if its answer is right, or its failure is explained.
func (op *operation) request(client *http.Client, p protocol, method, path string, fields http.Header, content io.Reader, w want) error {
	request, err := http.NewRequestWithContext(op.ctx, method, op.to.url(p, path), content)
	if err != nil {
		return err
	}
	for name, values := range fields {
		request.Header[name] = values
	}
	response, err := client.Do(request)
	what := fmt.Sprintf("%s %s by %v", method, path, p)
	if err != nil {
		if op.mayBeLost(method, err) {
			op.explain(KeptClosed)
			return nil
		}
		return in(what, err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.ProtoMajor != p.version() {
		return in(what, wrong("it came by %s", response.Proto))
	}
	if response.StatusCode == http.StatusBadGateway && op.mayBeLost(method, errLostBehind) {
		_, _ = io.Copy(io.Discard, response.Body)
		op.explain(KeptClosed)
		return nil
	}
	if err := w.compare(response); err != nil {
		return in(what, err)
	}
	op.answered(1)
	return nil
}

// errLostBehind stands for a 502: the gateway has lost the request on a kept connection to the application.
var errLostBehind = errors.New("lost behind the gateway")

// mayBeLost reports whether a request without an answer is the victim of a kept connection that a restart has closed:
// then a client may not repeat it unless its method is idempotent, and those clients that the soak has repeat the others.
func (op *operation) mayBeLost(method string, err error) bool {
	if method != http.MethodPost || !op.restarting() {
		return false
	}
	var oe *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, errLostBehind) || errors.As(err, &oe) && oe.Op != "dial" ||
		strings.Contains(err.Error(), "server closed idle connection")
}

// compare reads the content of a response and returns an error if it is not the one wanted.
func (w want) compare(response *http.Response) error {
	a := &answer{Response: response}
	var sum [sha256.Size]byte
	if w.length < 0 {
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return in(fmt.Sprintf("status %d, content after %d bytes", response.StatusCode, len(text)), err)
		}
		a.text, a.size = text, len(text)
	} else {
		h := sha256.New()
		n, err := io.Copy(h, response.Body)
		if err != nil {
			return in(fmt.Sprintf("status %d, content after %d of %d bytes", response.StatusCode, n, w.length), err)
		}
		a.size, sum = int(n), [sha256.Size]byte(h.Sum(nil))
	}
	switch {
	case response.StatusCode != w.status:
		return wrong("status %d, want %d; %d bytes, %.200q, %v", response.StatusCode, w.status, a.size, a.text, response.Header)
	case w.length >= 0 && a.size != w.length:
		return wrong("%d bytes, want %d", a.size, w.length)
	case w.length >= 0 && sum != w.sum:
		return wrong("%d bytes with SHA-256 %x, want %x", a.size, sum, w.sum)
	case w.check != nil:
		return w.check(a)
	}
	return nil
}

// statuses asks for responses without content and for errors.
func (op *operation) statuses() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	code := []int{200, 201, 204, 304, 404, 418, 429, 500}[op.rand.IntN(8)]
	if err := op.request(client, p, http.MethodGet, fmt.Sprintf("/status/%d", code), nil, nil, want{status: code, length: -1}); err != nil {
		return err
	}
	if err := op.request(client, p, http.MethodGet, "/nothing/here", nil, nil, want{status: 404, length: -1}); err != nil {
		return err
	}
	return op.request(client, p, http.MethodHead, "/bytes/1000", nil, nil, want{status: 200, length: 0, sum: sha256.Sum256(nil),
		check: func(a *answer) error {
			if a.ContentLength != 1000 {
				return wrong("HEAD has a content length of %d, want 1000", a.ContentLength)
			}
			return nil
		}})
}

// pipelined sends several requests at once on a new connection. What a closing connection leaves unanswered during a
// restart is sent again.
func (op *operation) pipelined() error {
	var ask []int
	for range 2 + op.rand.IntN(10) {
		ask = append(ask, min(op.size(), 100_000))
	}
	for len(ask) > 0 {
		n, err := op.pipeline(ask)
		op.answered(n)
		ask = ask[n:]
		if err != nil {
			return in(fmt.Sprintf("answer %d of a pipeline", n+1), err)
		}
		if len(ask) > 0 && !op.restarting() {
			return wrong("the connection was closed with %d answers of a pipeline outstanding", len(ask))
		}
		for range ask {
			op.explain(PipelineEnded)
		}
		if err := op.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// pipeline asks for contents of these sizes on one connection, and returns how many answers have come.
func (op *operation) pipeline(ask []int) (answered int, err error) {
	c, err := op.dial()
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	var all bytes.Buffer
	for _, size := range ask {
		fmt.Fprintf(&all, "GET /bytes/%d HTTP/1.1\r\nHost: %s\r\n\r\n", size, serverName)
	}
	if _, err := c.Write(all.Bytes()); err != nil {
		return 0, err
	}
	r := bufio.NewReader(c)
	for _, size := range ask {
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			return answered, err
		}
		if err := ofPattern(size).compare(response); err != nil {
			return answered, err
		}
		answered++
		if response.Close {
			break
		}
	}
	return answered, nil
}
