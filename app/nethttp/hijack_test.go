//go:build linux

package nethttp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

// hijacked is what a test's handler has got by Hijack.
type hijacked struct {
	net.Conn
	buf *bufio.ReadWriter
	r   *http.Request
}

// hijackOver runs a test over cleartext and TLS. serve is called in the handler.
func hijackOver(t *testing.T, serve func(t *testing.T, c hijacked), test func(t *testing.T, s *nethttptest.Site, peer net.Conn)) {
	for _, mode := range []nethttptest.Mode{nethttptest.H1, nethttptest.H1TLS} {
		t.Run(string(mode), func(t *testing.T) {
			returned := make(chan struct{})
			s := nethttptest.Start(t, mode, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				defer close(returned)
				conn, buf, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Errorf("Hijack: %v", err)
					return
				}
				serve(t, hijacked{conn, buf, r})
			})})
			peer := dial(t, s)
			test(t, s, peer)
			within(t, "the handler returns", returned)
		})
	}
}

// dial connects to the site.
func dial(t *testing.T, s *nethttptest.Site) net.Conn {
	t.Helper()
	peer, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	_ = peer.SetDeadline(time.Now().Add(time.Minute))
	if s.TLS != nil {
		return tls.Client(peer, s.TLS)
	}
	return peer
}

// within waits for a channel to be closed.
func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("timeout: %s", what)
	}
}

// send writes text to the peer's connection.
func send(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads text.
func expect(t *testing.T, from io.Reader, text string) {
	t.Helper()
	got := make([]byte, len(text))
	if n, err := io.ReadFull(from, got); err != nil || string(got) != text {
		t.Errorf("got %q, %v, want %q", got[:n], err, text)
	}
}

// expectEnd reads the end.
func expectEnd(t *testing.T, from io.Reader) {
	t.Helper()
	if rest, err := io.ReadAll(from); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v at the end", rest, err)
	}
}

const getRequest = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"

func TestHijackerGetsBytesAfterTheRequest(t *testing.T) {
	hijackOver(t, func(t *testing.T, c hijacked) {
		defer c.Close()
		expect(t, c.buf, "\r\n\r\nhello\n")
		send(t, c.buf, "HTTP/1.1 200 OK\r\n\r\n")
		_ = c.buf.Flush()
		send(t, c, "direct")
		expect(t, c.buf, "more")
		expectEnd(t, c)
	}, func(t *testing.T, _ *nethttptest.Site, peer net.Conn) {
		send(t, peer, getRequest+"\r\n\r\nhello\n")
		expect(t, peer, "HTTP/1.1 200 OK\r\n\r\ndirect")
		send(t, peer, "more")
		_ = peer.(interface{ CloseWrite() error }).CloseWrite()
		expectEnd(t, peer)
	})
}

func TestHijackedConnectionHasBackpressure(t *testing.T) {
	pattern := bytes.Repeat([]byte("0123456789abcdef"), 256<<10/16)
	const pieces = 32 // 8 MiB in each direction
	hijackOver(t, func(t *testing.T, c hijacked) {
		defer c.Close()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for range pieces {
				if n, err := c.Write(pattern); err != nil || n != len(pattern) {
					t.Errorf("Write: %d, %v", n, err)
				}
			}
		}()
		for range pieces {
			expect(t, c.buf, string(pattern))
		}
		within(t, "everything was sent", sent)
	}, func(t *testing.T, _ *nethttptest.Site, peer net.Conn) {
		send(t, peer, getRequest)
		go func() {
			for range pieces {
				_, _ = peer.Write(pattern)
			}
		}()
		for range pieces {
			expect(t, peer, string(pattern))
		}
		expectEnd(t, peer)
	})
}

func TestHijackedConnectionHasDeadlines(t *testing.T) {
	hijackOver(t, func(t *testing.T, c hijacked) {
		defer c.Close()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		var timeout net.Error
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read after its deadline: %v", err)
		}
		_ = c.SetReadDeadline(time.Time{})
		send(t, c, "go on")
		expect(t, c, "later")
		_ = c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		var err error
		for piece := make([]byte, 1<<20); err == nil; {
			_, err = c.Write(piece) // the peer does not read
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write after its deadline: %v", err)
		}
		_ = c.SetDeadline(time.Now().Add(-time.Second))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read with a deadline in the past: %v", err)
		}
	}, func(t *testing.T, _ *nethttptest.Site, peer net.Conn) {
		send(t, peer, getRequest)
		expect(t, peer, "go on")
		send(t, peer, "later")
	})
}

func TestHijackedConnectionEndsEachDirectionAlone(t *testing.T) {
	hijackOver(t, func(t *testing.T, c hijacked) {
		send(t, c, "last")
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Errorf("CloseWrite: %v", err)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after CloseWrite: %v", err)
		}
		expect(t, c, "still read")
		read := make(chan error, 1)
		go func() {
			_, err := c.Read(make([]byte, 1))
			read <- err
		}()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read during Close: %v", err)
		}
		_, err := c.Write([]byte("x"))
		if again := c.Close(); !errors.Is(err, net.ErrClosed) || !errors.Is(again, net.ErrClosed) {
			t.Errorf("after Close: Write %v, Close %v", err, again)
		}
	}, func(t *testing.T, s *nethttptest.Site, peer net.Conn) {
		send(t, peer, getRequest)
		expect(t, peer, "last")
		if s.TLS == nil {
			expectEnd(t, peer) // a tls.Conn cannot write after that
		}
		send(t, peer, "still read")
		expectEnd(t, peer)
	})
}

func TestCloseOfHijackedConnectionSendsWhatWasWritten(t *testing.T) {
	content := strings.Repeat("a line of text\n", 4000)
	hijackOver(t, func(t *testing.T, c hijacked) {
		send(t, c, content)
		c.Close()
	}, func(t *testing.T, _ *nethttptest.Site, peer net.Conn) {
		send(t, peer, getRequest+"what the handler does not read")
		expect(t, peer, content)
		expectEnd(t, peer)
	})
}

func TestContextOfHijackedRequestLastsUntilTheHandlerReturns(t *testing.T) {
	contexts := make(chan context.Context, 1)
	hijackOver(t, func(t *testing.T, c hijacked) {
		defer c.Close()
		ctx := c.r.Context()
		contexts <- ctx
		send(t, c, "yours")
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("Read has succeeded after the peer has left")
		}
		if err := ctx.Err(); err != nil {
			t.Errorf("the context has ended: %v", err)
		}
	}, func(t *testing.T, _ *nethttptest.Site, peer net.Conn) {
		send(t, peer, getRequest)
		expect(t, peer, "yours")
		peer.Close()
		within(t, "the context ends", (<-contexts).Done())
	})
}

func TestHijackerGetsUnreadContent(t *testing.T) {
	hijackOver(t, func(t *testing.T, c hijacked) {
		defer c.Close()
		if _, err := c.r.Body.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
			t.Errorf("reading the content fails with %v", err)
		}
		expect(t, c.buf, "0123456789after")
		send(t, c, "done")
	}, func(t *testing.T, _ *nethttptest.Site, peer net.Conn) {
		send(t, peer, "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 10\r\n\r\n0123456789after")
		expect(t, peer, "done")
		expectEnd(t, peer)
	})
}

// hijackSite starts a server of HTTP/1.1 without TLS, whose log is in the buffer after it has ended.
func hijackSite(t *testing.T, handler http.HandlerFunc) (*nethttptest.Site, *bytes.Buffer) {
	lines := &bytes.Buffer{}
	return nethttptest.Start(t, nethttptest.H1, &http.Server{Handler: handler, ErrorLog: log.New(lines, "", 0)}), lines
}

func TestHeadIsSentBeforeHijack(t *testing.T) {
	site, _ := hijackSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		if r.Method == "CONNECT" {
			w.WriteHeader(200)
		} else {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Connection", "Upgrade")
			w.Header().Set("Upgrade", "echo")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, buf)
	})
	peer := dial(t, site)
	send(t, peer, "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\necho this")
	expect(t, peer, "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\necho this")
	peer = dial(t, site)
	send(t, peer, "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\necho that")
	expect(t, peer, "HTTP/1.1 200 OK\r\n\r\necho that")
}

func TestWriterOfHijackedConnectionIsUnusable(t *testing.T) {
	handled := make(chan struct{})
	site, lines := hijackSite(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(handled)
		control := http.NewResponseController(w)
		conn, _, err := control.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if _, err := io.WriteString(w, "x"); err != http.ErrHijacked {
			t.Errorf("Write: %v", err)
		}
		w.WriteHeader(200)
		if err := control.Flush(); err != http.ErrHijacked {
			t.Errorf("Flush: %v", err)
		}
		if _, _, err := control.Hijack(); err != http.ErrHijacked {
			t.Errorf("the second Hijack: %v", err)
		}
		panic(fmt.Sprint("seen by nobody but", " the log"))
	})
	peer := dial(t, site)
	send(t, peer, getRequest)
	expectEnd(t, peer)
	within(t, "the handler returns", handled)
	if err := site.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"response.Write on hijacked connection from", "response.WriteHeader on hijacked connection from", "seen by nobody but the log"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("%q is not in the log:\n%s", want, lines)
		}
	}
}

func TestShutdownDoesNotWaitForHijackedConnections(t *testing.T) {
	conns := make(chan net.Conn, 1)
	site, _ := hijackSite(t, func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conns <- conn
	})
	peer := dial(t, site)
	send(t, peer, getRequest)
	conn := <-conns
	send(t, conn, "held")
	expect(t, peer, "held")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := site.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on after Shutdown")
	}
}

func TestNoHijackOverHTTP2(t *testing.T) {
	for _, mode := range []nethttptest.Mode{nethttptest.H2TLS, nethttptest.H2C} {
		t.Run(string(mode), func(t *testing.T) {
			site := nethttptest.Start(t, mode, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _, err := http.NewResponseController(w).Hijack()
				fmt.Fprint(w, errors.Is(err, http.ErrNotSupported))
			})})
			if _, content := get(t, site, "/"); content != "true" {
				t.Errorf("ErrNotSupported: %s", content)
			}
		})
	}
}

// TestServerCountsHijackedConnections also covers a server whose connections have several requests in progress: the
// connection cannot be taken while another request has been read.
func TestServerCountsHijackedConnections(t *testing.T) {
	results, conns, records := make(chan error, 2), make(chan net.Conn, 1), make(chan server.Record, 3)
	both := make(chan struct{})
	handler := nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/first":
			<-both
		case "/second":
			close(both)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		results <- err
		if err == nil {
			conns <- conn
		}
	}))
	s, err := server.New(server.Config{
		Handler:   handler,
		Logger:    zap.NewNop(),
		Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
		Finished:  func(_ *app.Request, r server.Record) { records <- r },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	peer, err := net.Dial("tcp", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	send(t, peer, "GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := <-results; err == nil {
		t.Error("a connection was taken whose next request is in progress")
	}
	<-records
	<-records
	send(t, peer, "GET /third HTTP/1.1\r\nHost: a\r\n\r\n")
	if err := <-results; err != nil {
		t.Fatal(err)
	}
	if n := s.Counts(); n.Hijacked != 1 || n.OpenHijacked != 1 {
		t.Errorf("counted %d, %d open", n.Hijacked, n.OpenHijacked)
	}
	conn := <-conns
	send(t, conn, "bye")
	conn.Close()
	if r := <-records; r.Outcome != server.Hijacked || r.Out != 3 {
		t.Errorf("the record is %+v", r)
	}
	if n := s.Counts(); n.Hijacked != 1 || n.OpenHijacked != 0 {
		t.Errorf("counted %d, %d open at the end", n.Hijacked, n.OpenHijacked)
	}
}
