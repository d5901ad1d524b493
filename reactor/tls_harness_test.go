//go:build linux

package reactor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// A teller answers each request with what it knows about its connection, as an HTTP/1.1 response, so that curl and
// haproxy can be its clients too.
type teller struct {
	conn   *Conn
	out    []byte
	closed chan<- error
}

func (s *teller) Receive(in []byte) int {
	used := 0
	for {
		end := bytes.Index(in[used:], []byte("\r\n\r\n"))
		if end < 0 {
			return used
		}
		head := string(in[used : used+end])
		used += end + 4
		s.answer(head)
		s.conn.Touch()
	}
}

func (s *teller) answer(head string) {
	var about strings.Builder
	fmt.Fprintf(&about, "peer=%v local=%v", s.conn.RemoteAddr(), s.conn.LocalAddr())
	if state := s.conn.TLS(); state != nil {
		fmt.Fprintf(&about, " version=%q alpn=%q sni=%q resumed=%v", tls.VersionName(state.Version), state.NegotiatedProtocol, state.ServerName, state.DidResume)
		if len(state.VerifiedChains) > 0 {
			fmt.Fprintf(&about, " client=%s", state.PeerCertificates[0].Subject.CommonName)
		}
	}
	s.out = fmt.Appendf(s.out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", about.Len(), about.String())
	if strings.Contains(head, "Connection: close") {
		s.conn.CloseFlushed()
	}
	if strings.Contains(head, "Close now") {
		s.conn.Close()
	}
}

func (s *teller) Transmit(dst []byte, room int) []byte {
	dst = append(dst, s.out...)
	s.out = nil
	return dst
}

func (s *teller) EOF() bool { return false }
func (s *teller) Timeout()  {}
func (s *teller) Closed(err error) {
	if s.closed != nil {
		s.closed <- err
	}
}

func openTeller(c *Conn) Session { return &teller{conn: c} }

// An echo sends its input back, and pauses while too much of it is unsent.
type echo struct {
	conn *Conn
	out  []byte
}

const echoBound = 256 << 10

func (s *echo) Receive(in []byte) int {
	n := min(len(in), echoBound-len(s.out))
	s.out = append(s.out, in[:n]...)
	if n < len(in) {
		s.conn.Pause()
	}
	s.conn.Touch()
	return n
}

func (s *echo) Transmit(dst []byte, room int) []byte {
	n := min(room, len(s.out))
	dst = append(dst, s.out[:n]...)
	s.out = s.out[:copy(s.out, s.out[n:])]
	if s.conn.Paused() && len(s.out) < echoBound/2 {
		s.conn.Resume()
	}
	return dst
}

func (s *echo) EOF() bool    { return false }
func (s *echo) Timeout()     {}
func (s *echo) Closed(error) {}

func openEcho(c *Conn) Session { return &echo{conn: c} }

// served starts a reactor with one listener until the end of the test.
func served(t testing.TB, config Config, listener ListenerConfig) (*Reactor, net.Addr) {
	t.Helper()
	if config.Loops == 0 {
		config.Loops = 1
	}
	r, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if listener.Address == "" && listener.File == nil {
		listener.Address = "127.0.0.1:0"
	}
	addr, err := r.Listen(listener)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		r.Stop(over)
	})
	return r, addr
}

// leakChecked has the end of the test, with everything else cleaned up, look for goroutines.
func leakChecked(t *testing.T) {
	// gnet starts workers of a pool once for the process.
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
	})
}

func dialTLS(t testing.TB, addr net.Addr, config *tls.Config) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", addr.String(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a request and returns the answer of the teller.
func ask(c net.Conn) (string, error) {
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		return "", err
	}
	return readAnswer(bufio.NewReader(c))
}

func readAnswer(r *bufio.Reader) (string, error) {
	var length int
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\r\n" {
			break
		}
		fmt.Sscanf(line, "Content-Length: %d", &length)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return string(body), err
}

func mustAsk(t testing.TB, c net.Conn, want ...string) {
	t.Helper()
	got, err := ask(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("the server says %q, want %s in it", got, w)
		}
	}
}

// settledStats returns the counters once each loop has finished its work, such as to count a connection whose end the
// test has seen.
func settledStats(r *Reactor) TLSStats {
	for _, l := range r.Loops() {
		done := make(chan struct{})
		l.Post(func() { close(done) })
		<-done
	}
	r.tls.pool.wait(nil)
	return r.TLSStats()
}
