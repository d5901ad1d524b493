package overhttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/internal/overhttp"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// patience bounds a failure, not a success.
const patience = 20 * time.Second

// site is a development server under test.
type site struct {
	*overhttp.Server
	t      *testing.T
	addr   string
	log    *strings.Builder // read it after the end
	client *http.Client
}

// serve starts a server on two addresses, the second of which has a handler of its own, and stops it when the test ends.
func serve(t *testing.T, h app.Handler, change ...func(*overhttp.ServerConfig)) *site {
	t.Helper()
	var lines strings.Builder
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	config := overhttp.ServerConfig{
		Handler:   h,
		Protocols: &protocols,
		Log:       log.New(&lines, "", 0),
		Listeners: []overhttp.Listener{
			{Network: "tcp", Address: "127.0.0.1:0"},
			{Network: "tcp", Address: "127.0.0.1:0", Handler: func(*app.Request) app.Answer {
				return app.Ready(app.Text(200, "the other handler"))
			}},
		},
	}
	for _, f := range change {
		f(&config)
	}
	s, err := overhttp.NewServer(config)
	if err != nil {
		t.Fatal(err)
	}
	s.SetState("state")
	s.Start()
	transport := &http.Transport{}
	made := &site{Server: s, t: t, addr: s.Addrs()[0].String(), log: &lines, client: &http.Client{Transport: transport, Timeout: patience}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		made.shutdown()
	})
	return made
}

func (s *site) shutdown() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		s.t.Error(err)
	}
}

// want sends a request and wants that status and content.
func (s *site) want(client *http.Client, method, url, content string, status int, want string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(content))
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status || string(got) != want {
		s.t.Errorf("%s %s: %d %q, %v; want %d %q", method, url, response.StatusCode, got, err, status, want)
	}
}

func TestRequestsOverBothVersions(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Map(r.Body.ReadAll(1<<20), func(content []byte) (*app.Response, error) {
			return app.Text(200, fmt.Sprintf("%s %s %v %s", r.Protocol, r.Method, r.Loop().State(), content)), nil
		})
	})
	s.want(s.client, "POST", "http://"+s.addr, "abc", 200, "HTTP/1.1 POST state abc")
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols}
	defer transport.CloseIdleConnections()
	s.want(&http.Client{Transport: transport, Timeout: patience}, "POST", "http://"+s.addr, "abc", 200, "HTTP/2.0 POST state abc")
	s.want(s.client, "GET", "http://"+s.Addrs()[1].String(), "", 200, "the other handler")
}

func TestContentBeyondTheLimitIsRefused(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Map(r.Body.ReadAll(1<<20), func(content []byte) (*app.Response, error) {
			return app.Text(200, string(content)), nil
		})
	}, func(c *overhttp.ServerConfig) { c.MaxBody = 3 })
	s.want(s.client, "POST", "http://"+s.addr, "abc", 200, "abc")
	s.want(s.client, "POST", "http://"+s.addr, "abcd", 413, "Content Too Large\n")
	r, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+s.addr, io.MultiReader(strings.NewReader("ab"), strings.NewReader("cd")))
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 413 {
		t.Errorf("content of unknown length: %s", response.Status)
	}
}

// strangeError has no response, though it has the method.
type strangeError struct{ error }

func (strangeError) Response() *app.Response { panic("no response") }

func TestHandlersThatFailAreLogged(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		switch r.RawPath {
		case "/panic":
			panic("out of order")
		case "/missing":
			return app.Fail(app.Statusf(404, "not here"))
		case "/strange":
			return app.Fail(strangeError{io.ErrUnexpectedEOF})
		}
		return app.Fail(io.ErrUnexpectedEOF)
	})
	s.want(s.client, "GET", "http://"+s.addr+"/panic", "", 500, "Internal Server Error\n")
	s.want(s.client, "GET", "http://"+s.addr+"/fail", "", 500, "Internal Server Error\n")
	s.want(s.client, "GET", "http://"+s.addr+"/missing", "", 404, "not here\n")
	s.want(s.client, "GET", "http://"+s.addr+"/strange", "", 500, "Internal Server Error\n")
	s.shutdown()
	got := s.log.String()
	if !strings.Contains(got, "GET /panic: panic: out of order") || !strings.Contains(got, "TestHandlersThatFailAreLogged") ||
		!strings.Contains(got, "GET /fail: unexpected EOF") || !strings.Contains(got, "GET /strange: its error panics: no response") || strings.Contains(got, "missing") {
		t.Errorf("logged: %s", got)
	}
}

func TestDrainEndsEventStreams(t *testing.T) {
	s := serve(t, func(r *app.Request) app.Answer {
		return app.Ready(events.Streamed(func(w *events.Stream) app.Future[app.Done] {
			return app.Then(w.Send(events.Event{Data: "first"}), func(app.Done) app.Future[app.Done] {
				return app.Sleep(r, time.Hour)
			})
		}))
	})
	response, err := s.client.Get("http://" + s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, "first") {
		t.Fatalf("%q, %v", line, err)
	}
	go s.shutdown()
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream does not end in order: %v", err)
	}
}

// peer is the client's side of a WebSocket.
type peer struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

const handshake = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func (s *site) socket() *peer {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	p := &peer{Conn: conn, t: s.t, r: bufio.NewReader(conn)}
	p.send(handshake)
	response, err := http.ReadResponse(p.r, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		s.t.Fatalf("handshake: %v, %v", response, err)
	}
	return p
}

func (p *peer) send(bytes string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, bytes); err != nil {
		p.t.Fatal(err)
	}
}

// want reads that text from the connection.
func (p *peer) want(bytes string) {
	p.t.Helper()
	got := make([]byte, len(bytes))
	if _, err := io.ReadFull(p.r, got); err != nil || string(got) != bytes {
		p.t.Fatalf("got %q, %v; want %q", got, err, bytes)
	}
}

// wantEnd wants the server to close the connection.
func (p *peer) wantEnd() {
	p.t.Helper()
	if rest, err := io.ReadAll(p.r); err != nil || len(rest) > 0 {
		p.t.Fatalf("got %q, %v; want the end", rest, err)
	}
}

// Frames with the masking key 0 (RFC 6455 section 5.2).
const (
	frameHello = "\x81\x85\x00\x00\x00\x00hello"
	frameQuit  = "\x81\x84\x00\x00\x00\x00quit"
	frameClose = "\x88\x82\x00\x00\x00\x00\x03\xe8" // 1000
	framePing  = "\x89\x81\x00\x00\x00\x00p"
)

func TestWebSocket(t *testing.T) {
	closed := make(chan websocket.Closed, 1)
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{
			Message: func(s *websocket.Socket, m websocket.Message) app.Future[app.Done] {
				if m.Text() == "quit" {
					_ = s.Close(4000, "bye")
					return app.Ready(app.Done{})
				}
				return s.Send(m.Kind, m.Data)
			},
			Close: func(_ *websocket.Socket, c websocket.Closed) { closed <- c },
		}))
	})
	p := s.socket()
	p.send(frameHello + framePing + frameHello)
	p.want("\x81\x05hello\x8a\x01p\x81\x05hello")
	p.send(frameClose)
	p.want("\x88\x02\x03\xe8")
	p.wantEnd()
	if c := <-closed; c.Code != 1000 {
		t.Errorf("closed with %v", c)
	}

	p = s.socket()
	p.send(frameQuit)
	p.want("\x88\x05\x0f\xa0bye")
	p.send("\x88\x82\x00\x00\x00\x00\x0f\xa0")
	p.wantEnd()
	<-closed

	p = s.socket()
	p.Close()
	if c := <-closed; c.Code != websocket.CloseAbnormal {
		t.Errorf("a peer that has left: %v", c)
	}

	p = s.socket()
	go s.shutdown()
	p.want("\x88\x02\x03\xe9") // 1001
	p.send("\x88\x82\x00\x00\x00\x00\x03\xe9")
	p.wantEnd()
}

// A handler with code that blocks makes the peer wait, and reads what was sent meanwhile.
func TestWebSocketWithBlockingCode(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{
			Serve: func(ctx context.Context, c *websocket.Conn) error {
				for {
					m, err := c.Read(ctx)
					if err != nil {
						return err
					}
					if err := c.Write(ctx, m.Kind, m.Data); err != nil {
						return err
					}
				}
			},
		}))
	})
	p := s.socket()
	const n = 1000
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(p.Conn, strings.Repeat(frameHello, n))
		sent <- err
	}()
	for range n {
		p.want("\x81\x05hello")
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	p.send(frameClose)
	p.want("\x88\x02\x03\xe8")
	p.wantEnd()
}

// A field of the response cannot begin another one, as over net/http.
func TestFieldsOfHandshakesStayLines(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}).With("User", "Ada\r\nSet-Cookie: a=b").With("Bad name", "x"))
	})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, handshake); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("User") != "Ada  Set-Cookie: a=b" || len(response.Header) != 4 {
		t.Errorf("%v, %v", response, err)
	}
}

// Informational responses wake the goroutine that writes content, too.
func TestPulledContentIsAwaitedOnce(t *testing.T) {
	waits := 0
	s := serve(t, func(r *app.Request) app.Answer {
		left, isReady := "content", false
		return app.Ready(&app.Response{Status: 200, Content: &app.Pull{
			Size: -1,
			Read: func(p []byte) (int, error) {
				switch {
				case !isReady:
					return 0, nil
				case left == "":
					return 0, io.EOF
				}
				n := copy(p, left)
				left = left[n:]
				return n, nil
			},
			Wait: func(ready func()) {
				waits++
				_ = r.Inform(103, nil)
				r.Loop().After(20*time.Millisecond, func() {
					isReady = true
					ready()
				})
			},
		}})
	})
	s.want(s.client, "GET", "http://"+s.addr, "", 200, "content")
	if waits != 1 {
		t.Errorf("Wait was called %d times", waits)
	}
}

func TestForeignOriginsAreRefused(t *testing.T) {
	s := serve(t, func(*app.Request) app.Answer {
		return app.Ready(websocket.Accept(&websocket.Endpoint{}))
	})
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	request := strings.Replace(handshake, "Host: x\r\n", "Host: x\r\nOrigin: http://evil.example\r\n", 1)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 403 {
		t.Errorf("%v, %v", response, err)
	}
}
