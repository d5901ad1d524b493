//go:build linux

package server_test

import (
	"crypto/tls"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/events"
	"github.com/gatewheel/gatewheel/app/server"
)

// patientWindow is the window of tests in which nobody is to be cut: a peer on a busy machine acts within it. The others
// end after one hastyWindow.
const (
	patientWindow = 2 * time.Second
	hastyWindow   = patientWindow / 8
)

// often is the time between two acts of a peer.
const often = hastyWindow / 10

// atRates is a server with such limits.
func atRates(content, reading int, window time.Duration) func(*server.Config) {
	return func(c *server.Config) {
		c.MinContentRate, c.MinReadRate, c.RateWindow = content, reading, window
	}
}

// ratePeers are the clients by transport. Their receive buffers are small.
var ratePeers = map[string]struct{ tls, http2 bool }{
	"HTTP/1.1":          {},
	"HTTP/1.1 over TLS": {tls: true},
	"HTTP/2":            {http2: true},
	"HTTP/2 over TLS":   {tls: true, http2: true},
}

// overRatePeers runs a test with a client of each transport, all at the same time.
func overRatePeers(t *testing.T, handler app.Handler, option func(*server.Config), test func(t *testing.T, s *site, p *peer)) {
	t.Helper()
	identity := withIdentity(issue(t, "a", nil))
	var tests sync.WaitGroup
	for _, transport := range ratePeers {
		options := []func(*server.Config){option}
		if transport.tls {
			options = append(options, identity)
		}
		s := serve(t, handler, options...)
		p := s.dialRated(transport.tls, transport.http2)
		tests.Go(func() { test(t, s, p) })
	}
	tests.Wait()
}

// dialRated makes a client of ratePeers.
func (s *site) dialRated(secure, http2 bool) *peer {
	s.t.Helper()
	p := &peer{t: s.t, line: s.dialNarrow()}
	if secure {
		config := anyone()
		if http2 {
			config.NextProtos = []string{"h2"}
		}
		c := tls.Client(p.line.Conn, config)
		if err := c.Handshake(); err != nil {
			s.t.Fatal(err)
		}
		p.line = s.over(c)
	}
	if http2 {
		p.two = newLine2(p.line)
		p.two.open(wideOpen)
		p.two.must(p.two.framer.WriteWindowUpdate(0, 1<<30))
	}
	return p
}

// wideOpen is a window of streams that holds up nothing.
var wideOpen = http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}

// upload sends the head of an upload of a megabyte.
func (p *peer) upload(path string) {
	p.t.Helper()
	if p.two != nil {
		p.two.request(1, "POST", path, false, "content-length", "1000000")
		return
	}
	p.line.say(post(path, 1000000))
}

// send sends n bytes of content, and reports whether the connection still takes them.
func (p *peer) send(n int) bool {
	content := strings.Repeat("x", n)
	if p.two != nil {
		// That of p.two acknowledges SETTINGS in the goroutine that reads.
		return http2.NewFramer(p.line.Conn, nil).WriteData(1, false, []byte(content)) == nil
	}
	_, err := io.WriteString(p.line.Conn, content)
	return err == nil
}

// sendsEvery sends n bytes time and again until the returned function is called.
func (p *peer) sendsEvery(d time.Duration, n int) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(d)
		defer tick.Stop()
		for p.send(n) {
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}

// Content that arrives a byte at a time is answered with 408, though it never pauses for long.
func TestSlowContentIsRefused(t *testing.T) {
	t.Parallel()
	failures := make(chan error, len(ratePeers))
	handler := func(r *app.Request) app.Answer {
		return app.Catch(whole(r), func(err error) app.Answer {
			failures <- err
			return app.Fail(err)
		})
	}
	overRatePeers(t, handler, atRates(1000, 0, hastyWindow), func(t *testing.T, s *site, p *peer) {
		p.upload("/")
		stop := p.sendsEvery(often, 1)
		defer stop()
		if p.two != nil {
			if h := p.two.headers(1); h.status != "408" {
				t.Errorf("status %s", h.status)
			}
		} else if response := p.line.status("POST", 408); !response.Close {
			t.Error("the connection goes on")
		}
		if err := <-failures; err == nil {
			t.Error("the application was told nothing")
		}
		if n := s.Counts().Refused[server.SlowContent]; n != 1 {
			t.Errorf("%d refusals were counted", n)
		}
	})
}

// Content that is slow but above the limit arrives in peace, for several windows.
func TestContentAboveTheRateArrives(t *testing.T) {
	t.Parallel()
	read := make(chan int64, len(ratePeers))
	handler := func(r *app.Request) app.Answer {
		n := r.Body.Each(make([]byte, 1000), func(p []byte) app.Future[app.Done] { return app.Ready(app.Done{}) })
		return app.Map(n, func(n int64) (*app.Response, error) { read <- n; return app.Text(200, "whole"), nil })
	}
	overRatePeers(t, handler, atRates(1000, 0, patientWindow), func(t *testing.T, s *site, p *peer) {
		const pieces = 2 * int(patientWindow/often)
		if p.two != nil {
			p.two.request(1, "POST", "/", false)
		} else {
			p.line.say(post("/", pieces*1000))
		}
		tick := time.NewTicker(often)
		defer tick.Stop()
		for range pieces {
			if !p.send(1000) {
				t.Fatal("the connection has ended")
			}
			<-tick.C
		}
		if p.two != nil {
			p.two.must(p.two.framer.WriteData(1, true, nil))
			p.two.answer(1, "200", "whole")
		} else {
			p.line.hear("POST", 200, "whole")
		}
		if n := <-read; n != int64(pieces*1000) {
			t.Errorf("%d bytes were read", n)
		}
	})
}

// While the application does not ask for content, its peer cannot send: no rate is too low. Nor is one while the
// application makes the answer.
func TestContentRateCountsOnlyThePeer(t *testing.T) {
	t.Parallel()
	handler := func(r *app.Request) app.Answer {
		n := r.Body.Each(make([]byte, 2), func([]byte) app.Future[app.Done] { return app.Sleep(r, patientWindow/2) })
		return app.Then(n, func(int64) app.Future[*app.Response] {
			return app.Map(app.Sleep(r, patientWindow), func(app.Done) (*app.Response, error) { return app.Text(200, "late"), nil })
		})
	}
	overRatePeers(t, handler, atRates(1<<30, 0, patientWindow), func(t *testing.T, s *site, p *peer) {
		if p.two != nil {
			p.two.request(1, "POST", "/", false)
			p.two.must(p.two.framer.WriteData(1, true, []byte("sixers")))
			p.two.answer(1, "200", "late")
			return
		}
		p.line.say(post("/", 6) + "sixers")
		p.line.hear("POST", 200, "late")
	})
}

// A response that has begun is cut where the limit of content is missed, and a conversation of unknown length never is.
func TestSlowContentOfABegunResponse(t *testing.T) {
	t.Parallel()
	overRatePeers(t, echo, atRates(1000, 0, hastyWindow), func(t *testing.T, s *site, p *peer) {
		p.upload("/")
		if p.two != nil {
			p.two.request(3, "POST", "/", false)
			p.two.must(p.two.framer.WriteData(3, false, []byte("hello ")))
		}
		stop := p.sendsEvery(often, 1)
		p.head(200)
		if p.two == nil {
			_, _ = io.Copy(io.Discard, p.line.r)
			stop()
			return
		}
		p.two.isReset(1, http2.ErrCodeCancel)
		stop()
		p.two.must(p.two.framer.WriteData(3, true, []byte("again")))
		p.two.until("the end of the conversation", func(f http2.Frame) bool {
			data, ok := f.(*http2.DataFrame)
			return ok && data.StreamID == 3 && data.StreamEnded()
		})
	})
}

// The streams of a connection share the limit: a slow upload goes on while another one is fast.
func TestUploadsShareTheRate(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 2)
	s := serve(t, func(r *app.Request) app.Answer {
		begun <- struct{}{}
		return whole(r)
	}, atRates(1000, 0, patientWindow))
	l := s.dial2()
	p := &peer{t, l.line, l}
	l.request(1, "POST", "/fast", false)
	l.request(3, "POST", "/slow", false)
	<-begun
	<-begun
	tick := time.NewTicker(often)
	defer tick.Stop()
	for range 2 * int(patientWindow/often) {
		if !p.send(1000) {
			t.Fatal("the connection has ended")
		}
		<-tick.C
	}
	if n := s.Counts().Refused[server.SlowContent]; n != 0 {
		t.Errorf("%d refusals beside a fast upload", n)
	}
	eventually(t, "both are too slow", func() bool { return s.Counts().Refused[server.SlowContent] == 2 })
}

// A peer that reads a little all the time, but below the limit, is cut.
func TestSlowReadersAreCut(t *testing.T) {
	t.Parallel()
	overRatePeers(t, endless, atRates(0, 1<<30, hastyWindow), func(t *testing.T, s *site, p *peer) {
		p.request("/", 0)
		tick := time.NewTicker(often)
		defer tick.Stop()
		buffer := make([]byte, 1<<10)
		for s.Counts().Refused[server.SlowReading] == 0 {
			if _, err := p.line.r.Read(buffer); err != nil {
				eventually(t, "it is cut", func() bool { return s.Counts().Refused[server.SlowReading] > 0 })
				break
			}
			<-tick.C
		}
		eventually(t, "the connection is over", func() bool { return s.Stats().Connections == 0 })
	})
}

// A peer that reads slowly, but above the limit, gets everything.
func TestReadersAboveTheRateGetAll(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789abcdef", 3<<14)
	handler := func(*app.Request) app.Answer { return app.Ready(app.Text(200, content)) }
	overRatePeers(t, handler, atRates(0, 1000, patientWindow), func(t *testing.T, s *site, p *peer) {
		p.request("/", 0)
		sip(t, p.line.r, len(content))
		if n := s.Counts().Refused[server.SlowReading]; n != 0 {
			t.Errorf("%d readers were cut", n)
		}
	})
}

// A response that is made slowly is read slowly. Nobody is to blame, least of all for an event stream.
func TestReadRateCountsOnlyThePeer(t *testing.T) {
	t.Parallel()
	const lines = 3 * int(hastyWindow/often)
	stream := func(*app.Request) app.Answer {
		return app.Ready(events.Streamed(func(s *events.Stream) app.Future[app.Done] {
			n := 0
			var next func(app.Done) app.Future[app.Done]
			next = func(app.Done) app.Future[app.Done] {
				if n++; n > lines {
					return app.Ready(app.Done{})
				}
				return app.Then(s.Send(events.Event{Data: "event"}), func(app.Done) app.Future[app.Done] {
					return app.Then(app.Sleep(s.Request(), often), next)
				})
			}
			return next(app.Done{})
		}))
	}
	overRatePeers(t, stream, atRates(1<<30, 1<<30, hastyWindow), func(t *testing.T, s *site, p *peer) {
		p.request("/", 0)
		got := 0
		for got < lines {
			if p.two != nil {
				if f, ok := p.two.frame().(*http2.DataFrame); ok {
					got += strings.Count(string(f.Data()), "data: event")
				}
				continue
			}
			text, err := p.line.r.ReadString('\n')
			if err != nil {
				t.Fatalf("after %d events: %v", got, err)
			}
			got += strings.Count(text, "data: event")
		}
	})
}

// The windows of an HTTP/2 peer open slowly, though it reads its socket.
func TestSlowWindows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		window        time.Duration
		limit, update int
		reset         bool
	}{
		"below the limit": {hastyWindow, 1 << 30, 300, true},
		"above the limit": {patientWindow, 1000, 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, endless, atRates(0, c.limit, c.window))
			l := s.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
			l.request(1, "GET", "/", true)
			end, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				framer := http2.NewFramer(l.Conn, nil)
				for tick := time.Tick(often); ; <-tick {
					select {
					case <-end:
						return
					default:
						_ = framer.WriteWindowUpdate(1, uint32(c.update))
						_ = framer.WriteWindowUpdate(0, uint32(c.update))
					}
				}
			}()
			defer func() { close(end); <-ended }()
			got := 0
			for got < 2*c.update*int(patientWindow/often) {
				switch f := l.frame().(type) {
				case *http2.DataFrame:
					got += len(f.Data())
				case *http2.RSTStreamFrame:
					if !c.reset || f.ErrCode != http2.ErrCodeEnhanceYourCalm {
						t.Errorf("%v after %d bytes", f, got)
					}
					if n := s.Counts().Refused[server.SlowReading]; n != 1 {
						t.Errorf("%d readers were cut", n)
					}
					return
				}
			}
			if c.reset {
				t.Errorf("%d bytes came without an end", got)
			}
		})
	}
}
