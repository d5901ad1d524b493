//go:build linux

package conformance

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// line is a connection over HTTP/1.1 whose bytes are written and read as they are.
type line struct {
	t testing.TB
	net.Conn
	r    *bufio.Reader
	seen strings.Builder // what was read
}

func newLine(t testing.TB, c net.Conn) *line {
	_ = c.SetDeadline(time.Now().Add(patience))
	l := &line{t: t, Conn: c}
	l.r = bufio.NewReader(io.TeeReader(c, &l.seen))
	t.Cleanup(func() { c.Close() })
	return l
}

// dial connects a client to the gateway over HTTP/1.1.
func (s *site) dialLine() *line {
	s.Helper()
	c, err := net.Dial("tcp", s.server.Addrs()[0].String())
	if err != nil {
		s.Fatal(err)
	}
	return newLine(s, c)
}

// acceptConn waits for the next connection of the gateway to the server.
func (s *site) acceptConn() net.Conn {
	s.Helper()
	select {
	case c := <-s.accepted:
		return c
	case <-time.After(patience):
		s.Fatal("no connection to the server")
		return nil
	}
}

// acceptLine waits for the next connection over HTTP/1.1.
func (s *site) acceptLine() *line {
	s.Helper()
	return newLine(s, s.acceptConn())
}

// say writes text. The gateway may have closed the connection.
func (l *line) say(text string) { _, _ = io.WriteString(l, text) }

// lineOf reads a line; ok is false at the end. Lines without CR are mistakes of the gateway.
func (l *line) text() (text string, ok bool) {
	text, err := l.r.ReadString('\n')
	if err != nil {
		return text, false
	}
	if !strings.HasSuffix(text, "\r\n") || strings.ContainsAny(text[:len(text)-2], "\r\x00") {
		l.t.Errorf("a malformed line: %q", text)
	}
	return strings.TrimSuffix(text, "\r\n"), true
}

// lines reads fields until the empty line.
func (l *line) fields() (fields []field, ok bool) {
	for {
		text, ok := l.text()
		if !ok || text == "" {
			return fields, ok
		}
		name, value, found := strings.Cut(text, ":")
		if !found || name == "" || strings.Trim(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			l.t.Errorf("a malformed field: %q", text)
		}
		fields = append(fields, field{name, strings.Trim(value, " \t")})
	}
}

// readHead reads the head of a message. ok is false if the connection ends before.
func (l *line) readHead() (h head, ok bool) {
	first, ok := l.text()
	if !ok {
		return h, false
	}
	parts := strings.SplitN(first, " ", 3)
	if len(parts) < 3 {
		l.t.Errorf("a malformed first line: %q", first)
		return h, false
	}
	if strings.HasPrefix(first, "HTTP/") {
		h.status = parts[1]
	} else {
		h.method, h.path, h.protocol = parts[0], parts[1], parts[2]
	}
	if h.fields, ok = l.fields(); !ok {
		return h, false
	}
	if n := strings.Count(h.values("Content-Length"), "|"); n > 0 || h.has("Content-Length") && h.has("Transfer-Encoding") {
		l.t.Errorf("ambiguous framing: %v", h.fields)
	}
	h.authority = h.values("Host")
	return h, true
}

// readContent reads the content of m. closed: it may last until the connection ends.
func (l *line) readContent(m *message, closes bool) {
	switch coding := m.values("Transfer-Encoding"); {
	case coding == "chunked":
		l.readChunks(m)
	case coding != "":
		l.t.Errorf("an unknown coding %q", coding)
	case m.has("Content-Length"):
		n, err := strconv.Atoi(m.values("Content-Length"))
		if err != nil {
			l.t.Errorf("Content-Length: %q", m.values("Content-Length"))
		}
		p := make([]byte, n)
		n, err = io.ReadFull(l.r, p)
		m.content, m.whole = string(p[:n]), err == nil
	case closes:
		p, err := io.ReadAll(l.r)
		m.content, m.whole = string(p), err == nil
	default:
		m.whole = true
	}
	if !m.whole {
		m.end = "cut"
	}
}

func (l *line) readChunks(m *message) {
	for {
		text, ok := l.text()
		if !ok {
			return
		}
		n, err := strconv.ParseUint(text, 16, 32)
		if err != nil {
			l.t.Errorf("a malformed chunk: %q", text)
			return
		}
		if n == 0 {
			m.trailers, m.whole = l.fields()
			return
		}
		p := make([]byte, n)
		got, err := io.ReadFull(l.r, p)
		m.content += string(p[:got])
		if err != nil {
			return
		}
		if text, ok := l.text(); !ok || text != "" {
			return
		}
	}
}

// isClosed fails the test unless the gateway closes the connection, without sending anything more.
func (l *line) isClosed() {
	l.t.Helper()
	if b, err := io.ReadAll(l.r); len(b) > 0 || isTimeout(err) {
		l.t.Errorf("heard %q, %v in place of the end of the connection", b, err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// lineAsked is a request over HTTP/1.1.
type lineAsked struct {
	*line
	method  string
	chunked bool
	read    *message
}

// ask sends a request.
func (l *line) ask(r request) *lineAsked {
	q := &lineAsked{line: l, method: r.method}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.method, r.path, or(r.authority, "a.test"))
	for _, f := range r.fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	switch {
	case !r.hasContent():
	case r.size > 0:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", r.size)
	case r.open || len(r.trailers) > 0:
		q.chunked = true
		b.WriteString("Transfer-Encoding: chunked\r\n")
	default:
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.content))
	}
	b.WriteString("\r\n")
	l.say(b.String())
	if r.content != "" {
		q.more(r.content, !r.open && len(r.trailers) == 0)
	}
	if len(r.trailers) > 0 {
		l.say("0\r\n" + lines(r.trailers) + "\r\n")
	}
	return q
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func lines(fields []field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	return b.String()
}

func (q *lineAsked) more(content string, end bool) {
	if !q.chunked {
		q.say(content)
		return
	}
	if content != "" {
		content = fmt.Sprintf("%x\r\n%s\r\n", len(content), content)
	}
	if end {
		content += "0\r\n\r\n"
	}
	q.say(content)
}

func (q *lineAsked) leave() {
	_ = q.Conn.(*net.TCPConn).SetLinger(0)
	q.Close()
}

func (q *lineAsked) head() *message {
	if q.read != nil {
		return q.read
	}
	m := &message{}
	q.read = m
	for {
		h, ok := q.readHead()
		if !ok {
			m.end = "cut"
			return m
		}
		if h.status[0] != '1' || h.status == "101" {
			m.head = h
			return m
		}
		m.interim = append(m.interim, h)
	}
}

func (q *lineAsked) answer() *message {
	m := q.head()
	switch {
	case m.end != "" || m.whole:
	case q.method == "HEAD" || m.status == "204" || m.status == "304":
		m.whole = true
	default:
		q.readContent(m, true)
	}
	return m
}

// lineHeard is a request that a server has heard over HTTP/1.1.
type lineHeard struct {
	*line
	seen    message
	read    bool
	chunked bool
}

// hear reads the head of a request.
func (l *line) hear() *lineHeard {
	l.t.Helper()
	q := &lineHeard{line: l}
	h, ok := l.readHead()
	if !ok {
		l.t.Fatalf("no request but %q", l.seen.String())
	}
	q.seen.head = h
	if h.protocol != "HTTP/1.1" {
		l.t.Errorf("the request is of %s", h.protocol)
	}
	return q
}

func (q *lineHeard) request() *head { return &q.seen.head }

func (q *lineHeard) content() *message {
	if !q.read {
		q.read = true
		q.readContent(&q.seen, false)
	}
	return &q.seen
}

func (q *lineHeard) interim(status string, fields ...string) {
	q.say("HTTP/1.1 " + status + " X\r\n" + lines(fieldsOf(fields...)) + "\r\n")
}

func (q *lineHeard) head(end bool, status string, fields ...string) {
	text := "HTTP/1.1 " + status + " X\r\n" + lines(fieldsOf(fields...))
	if !end && !strings.Contains(strings.ToLower(text), "\r\ncontent-length:") {
		q.chunked = true
		text += "Transfer-Encoding: chunked\r\n"
	}
	q.say(text + "\r\n")
}

func (q *lineHeard) data(content string, end bool) {
	if q.chunked && content != "" {
		content = fmt.Sprintf("%x\r\n%s\r\n", len(content), content)
	}
	if q.chunked && end {
		content += "0\r\n\r\n"
	}
	q.say(content)
}

func (q *lineHeard) trailers(fields ...string) {
	q.say("0\r\n" + lines(fieldsOf(fields...)) + "\r\n")
}

func (q *lineHeard) breakOff() { q.Close() }

func (q *lineHeard) abandoned() {
	q.t.Helper()
	if m := q.content(); m.whole && m.method != "GET" {
		q.t.Errorf("the request is complete: %v", m)
	}
	if _, err := io.Copy(io.Discard, q.r); isTimeout(err) {
		q.t.Error("the connection goes on")
	}
}

// tlsClient returns a connection over TLS, for HTTP/2.
func (s *site) dialTLS() net.Conn {
	s.Helper()
	c, err := tls.Dial("tcp", s.server.Addrs()[1].String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		s.Fatal(err)
	}
	return c
}

// halfClose sends FIN.
func halfClose(l *line) { _ = l.Conn.(*net.TCPConn).CloseWrite() }
