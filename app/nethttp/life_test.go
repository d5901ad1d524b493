//go:build linux

package nethttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// await returns what comes from a channel.
func await[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatal("nothing has come")
	}
	return v
}

// logBuffer is a log that tests read.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestContextEndsWhenThePeerGoes(t *testing.T) {
	arrived, ended := make(chan bool, 1), make(chan error, 1)
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-r.Context().Done()
		ended <- r.Context().Err()
	}, func(t *testing.T, s *nethttptest.Site) {
		ctx, leave := context.WithCancel(context.Background())
		request, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		go s.Client().Do(request)
		await(t, arrived)
		leave()
		if err := await(t, ended); err != context.Canceled {
			t.Errorf("the context ended with %v", err)
		}
	})
}

func TestContextEndsWhenTheHandlerReturns(t *testing.T) {
	contexts := make(chan context.Context, 1)
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Context().Err() != nil {
			t.Error("the context ended before the handler")
		}
		child, cancel := context.WithCancel(r.Context())
		defer cancel()
		if child.Err() != nil {
			t.Error("a child of the context ended before the handler")
		}
		contexts <- r.Context()
	}, func(t *testing.T, s *nethttptest.Site) {
		get(t, s, "/")
		ctx := await(t, contexts)
		await(t, ctx.Done())
		if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
			t.Errorf("the context ended with %v, %v", ctx.Err(), context.Cause(ctx))
		}
	})
}

// A peer that closes its sending side may still read: the context ends, and the response is sent.
func TestHalfClosedPeerGetsItsResponse(t *testing.T) {
	s := nethttptest.Start(t, nethttptest.H1, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		io.WriteString(w, "late")
	})})
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	c.(*net.TCPConn).CloseWrite()
	if all, err := io.ReadAll(c); err != nil || !strings.HasSuffix(string(all), "late") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestBodyCloseEndsARead(t *testing.T) {
	failed := make(chan error, 1)
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		reading := make(chan bool)
		go func() {
			close(reading)
			_, err := r.Body.Read(make([]byte, 1))
			failed <- err
		}()
		<-reading
		r.Body.Close()
		if err := <-failed; !errors.Is(err, http.ErrBodyReadAfterClose) {
			t.Errorf("the Read failed with %v", err)
		}
	}, func(t *testing.T, s *nethttptest.Site) {
		content, writer := io.Pipe()
		defer writer.Close()
		resp, err := s.Client().Post(s.URL, "text/plain", content)
		read(t, resp, err)
	})
}

// A request that ends before its content fails the Read, after the context.
func TestReadFailsWhenThePeerGoes(t *testing.T) {
	failed := make(chan error, 1)
	overAll(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		failed <- err
	}, func(t *testing.T, s *nethttptest.Site) {
		content, writer := io.Pipe()
		ctx, leave := context.WithCancel(context.Background())
		request, _ := http.NewRequestWithContext(ctx, "POST", s.URL, content)
		go s.Client().Do(request)
		writer.Write([]byte("some"))
		leave()
		if err := await(t, failed); err == nil {
			t.Error("the content seemed complete")
		}
	})
}

// A Write waits while the peer does not read, with little memory, and fails when the peer goes.
func TestWriteWaitsForThePeer(t *testing.T) {
	var written atomicInt
	failed := make(chan error, 1)
	s := nethttptest.Start(t, nethttptest.H2C, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for piece := make([]byte, 1<<10); ; {
			n, err := w.Write(piece)
			written.add(n)
			if err != nil {
				failed <- err
				return
			}
		}
	})})
	ctx, leave := context.WithCancel(context.Background())
	request, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
	resp, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	before := -1
	for now := written.load(); now != before; now = written.load() {
		before = now
		time.Sleep(100 * time.Millisecond) // until nothing more is written
	}
	if before > 8<<20 {
		t.Errorf("%d bytes were written for a peer that reads nothing", before)
	}
	leave()
	await(t, failed)
}

// atomicInt is a number that two goroutines share.
type atomicInt struct {
	mu sync.Mutex
	n  int
}

func (a *atomicInt) add(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += n
}

func (a *atomicInt) load() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}

func TestWriteAfterReturnIsLogged(t *testing.T) {
	for _, mode := range nethttptest.Modes {
		logs := &logBuffer{}
		writers := make(chan http.ResponseWriter, 1)
		s := nethttptest.Start(t, mode, &http.Server{ErrorLog: log.New(logs, "", 0), Handler: http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) { writers <- w })})
		get(t, s, "/")
		w := await(t, writers)
		for {
			if _, err := w.Write([]byte("x")); err != nil {
				break
			}
		}
		w.WriteHeader(500)
		if text := logs.String(); !strings.Contains(text, "Write after the handler has returned from ") || !strings.Contains(text, "life_test.go") {
			t.Errorf("%s: the log has %q", mode, text)
		}
	}
}

func TestPanicIsLogged(t *testing.T) {
	for _, mode := range nethttptest.Modes {
		logs := &logBuffer{}
		s := nethttptest.Start(t, mode, &http.Server{ErrorLog: log.New(logs, "", 0), Handler: http.HandlerFunc(
			func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/abort" {
					panic(http.ErrAbortHandler)
				}
				panic("at the disco")
			})})
		for _, path := range []string{"/panic", "/abort"} {
			if resp, err := s.Client().Get(s.URL + path); err == nil {
				t.Errorf("%s: the response is %s", mode, resp.Status)
				resp.Body.Close()
			}
		}
		text := logs.String()
		if strings.Count(text, "http: panic serving 127.0.0.1:") != strings.Count(text, "at the disco\ngoroutine ") || !strings.Contains(text, "at the disco\n") {
			t.Errorf("%s: the log has %q", mode, text)
		}
		if strings.Contains(text, "abort Handler") {
			t.Errorf("%s: ErrAbortHandler was logged: %q", mode, text)
		}
	}
}

func TestHooksOfTheServer(t *testing.T) {
	type key string
	connections := make(chan string, 10)
	server := &http.Server{
		BaseContext: func(l net.Listener) context.Context {
			return context.WithValue(context.Background(), key("base"), l.Addr().String())
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			connections <- c.RemoteAddr().String()
			return context.WithValue(ctx, key("conn"), c.LocalAddr().String())
		},
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Context().Value(key("base")).(string)+" "+r.Context().Value(key("conn")).(string))
		if r.Context().Value(http.ServerContextKey) != server {
			t.Error("the context has another server")
		}
	})
	for _, mode := range nethttptest.Modes {
		s := nethttptest.Start(t, mode, server)
		client := s.Client()
		for range 3 {
			resp, err := client.Get(s.URL)
			if _, content := read(t, resp, err); content != s.Addr+" "+s.Addr {
				t.Errorf("%s: the values are %q", mode, content)
			}
		}
		if n := len(connections); n != 1 {
			t.Errorf("%s: ConnContext was called %d times", mode, n)
		}
		<-connections
	}
}
