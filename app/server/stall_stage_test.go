//go:build linux

package server_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// killed is what the watchdog logs when a loop goes on without what stalls it.
const killed = "loop is stalled and goes on without what stalls it"

// stage is a server with one loop, whose application stalls it when asked to. What else it serves takes
// time in all ways that there are.
type stage struct {
	*site
	// stalling is told of each handler that is about to stall.
	stalling chan struct{}
	// arrived is told of each request for which the application waits for something.
	arrived chan struct{}
	// release lets what stalls go; each round has its own.
	release atomic.Pointer[chan struct{}]

	mu       sync.Mutex
	promises []*app.Promise[*app.Response]
	readers  []*app.Request // with content that is being read
	writers  []*app.Writer  // of responses that are being written

	// own are handlers by the first segment of the path.
	own map[string]app.Handler
}

// brisk makes stalls short. One loop carries everything.
func brisk(c *server.Config) {
	c.Loops = 1
	c.HeadTimeout = patience
	c.Stall = server.StallConfig{Warn: 50 * time.Millisecond, Timeout: 250 * time.Millisecond, Restarts: 1000}
}

// newStage starts one; own may be nil.
func newStage(t *testing.T, own func(*stage) map[string]app.Handler, options ...func(*server.Config)) *stage {
	t.Helper()
	s := &stage{stalling: make(chan struct{}, 64), arrived: make(chan struct{}, 4096)}
	s.rearm()
	if own != nil {
		s.own = own(s)
	}
	fail := func(c *server.Config) {
		c.Stall.Abort = func(reason string, stacks []byte) { t.Errorf("aborted: %s\n%s", reason, stacks) }
	}
	s.site = serve(t, s.handle, append([]func(*server.Config){brisk, fail}, options...)...)
	// What stalls must have gone before the server is stopped.
	t.Cleanup(s.letGo)
	return s
}

// rearm begins a round.
func (s *stage) rearm() {
	c := make(chan struct{})
	s.release.Store(&c)
}

// letGo ends what stalls since the last rearm.
func (s *stage) letGo() {
	select {
	case <-*s.release.Load():
	default:
		close(*s.release.Load())
	}
}

func (s *stage) handle(r *app.Request) app.Answer {
	word, rest, _ := strings.Cut(r.RawPath[1:], "/")
	if h, ok := s.own[word]; ok {
		return h(r)
	}
	switch word {
	case "stall":
		s.stall(r, rest)
		return app.Ready(app.Text(200, "came back"))
	case "promise":
		p, f := app.Promised[*app.Response](r)
		s.remember(func() { s.promises = append(s.promises, p) })
		return f
	case "sleep":
		s.arrived <- struct{}{}
		ms, _ := strconv.Atoi(rest)
		return app.Map(app.Sleep(r, time.Duration(ms)*time.Millisecond), func(app.Done) (*app.Response, error) {
			return app.Text(200, "slept"), nil
		})
	case "upload":
		s.remember(func() { s.readers = append(s.readers, r) })
		hash := sha256.New()
		read := r.Body.Each(make([]byte, 8<<10), func(p []byte) app.Future[app.Done] {
			hash.Write(p)
			return app.Ready(app.Done{})
		})
		return app.Map(read, func(n int64) (*app.Response, error) {
			return app.Text(200, fmt.Sprintf("%d %x", n, hash.Sum(nil))), nil
		})
	case "download":
		n, _ := strconv.ParseInt(rest, 10, 64)
		source := &patterned{left: n}
		return app.Ready(app.Pulled(200, "text/plain", n, source.Read))
	case "stream":
		n, _ := strconv.ParseInt(rest, 10, 64)
		source := &patterned{left: n}
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			s.remember(func() { s.writers = append(s.writers, w) })
			p := make([]byte, 10000)
			return app.While(func() app.Future[bool] {
				m, err := source.Read(p)
				if err == io.EOF {
					return app.Ready(false)
				}
				return app.Map(w.WriteAll(p[:m]), func(app.Done) (bool, error) { return true, nil })
			})
		}))
	}
	return app.Ready(app.Text(200, r.Target))
}

func (s *stage) remember(what func()) {
	s.mu.Lock()
	what()
	s.mu.Unlock()
	s.arrived <- struct{}{}
}

// stall does not return before it is let go.
func (s *stage) stall(r *app.Request, way string) {
	release := *s.release.Load()
	s.stalling <- struct{}{}
	released := func() bool {
		select {
		case <-release:
			return true
		default:
			return false
		}
	}
	switch way {
	case "wait", "":
		<-release
	case "sleep":
		for !released() {
			time.Sleep(20 * time.Millisecond)
		}
	case "spin":
		for n := 0; n%1000 != 0 || !released(); n++ {
		}
	case "call":
		s.keepCalling(r, released)
	}
}

// keepCalling uses everything that a handler can reach: its own request's objects, and once they say that
// the loop was lost, those of others too.
func (s *stage) keepCalling(r *app.Request, released func() bool) {
	s.mu.Lock()
	readers, writers := s.readers, s.writers
	s.mu.Unlock()
	p := make([]byte, 100)
	// Tasks that it posts run; let them not be all that does.
	for fenced, posts := false, 50; !released(); runtime.Gosched() {
		posting := posts > 0
		posts--
		own, promised := app.Promised[int](r)
		app.Then(promised, func(int) app.Future[int] { return app.Ready(1) })
		own.Resolve(1)
		r.Body.Read(p)
		r.SetTimeout(time.Minute)
		_ = r.Context().Err()
		if posting {
			app.Sleep(r, time.Millisecond)
			app.Offload(r, func(context.Context) (int, error) { return 1, nil })
		}
		if r.Inform(103, nil) == nil {
			continue
		}
		if !fenced {
			fenced, posts = true, 10
			s.arrived <- struct{}{}
		}
		for _, other := range readers {
			f := other.Body.Read(p)
			if f.Ready() {
				if _, err := f.Result(); err == nil {
					s.t.Error("content of others was read without the loop")
				}
			}
			_ = other.Context()
			_ = other.Inform(103, nil)
			other.Body.Limit(1)
			if posting {
				app.Sleep(other, time.Millisecond)
			}
		}
		for _, w := range writers {
			f := w.Write(p)
			if f.Ready() {
				if _, err := f.Result(); err == nil {
					s.t.Error("content of others was written without the loop")
				}
			}
			w.Trailer("late", "true")
		}
	}
}

// resolve gives every promise its value, from this goroutine.
func (s *stage) resolve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.promises {
		p.Resolve(app.Text(200, "resolved"))
	}
	s.promises = nil
}

// await waits until so many requests have arrived for which the application waits.
func (s *stage) await(n int) {
	s.t.Helper()
	late := time.After(patience)
	for range n {
		select {
		case <-s.arrived:
		case <-late:
			s.t.Fatal("a request did not arrive")
		}
	}
}

// awaitStall waits until something stalls.
func (s *stage) awaitStall() {
	s.t.Helper()
	select {
	case <-s.stalling:
	case <-time.After(patience):
		s.t.Fatal("nothing stalls")
	}
}

// kills is how many there have been.
func (s *stage) kills() (n int) {
	for _, l := range s.Stats().Loops {
		n += int(l.Kills)
	}
	return n
}

// settled waits for something that nobody announces.
func settled(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// patterned is content of which every part can be checked.
type patterned struct{ off, left int64 }

// patternBlock is repeated. Its length has nothing in common with that of any buffer.
var patternBlock = sync.OnceValue(func() []byte {
	b := make([]byte, 65521)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
})

func (p *patterned) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	block := patternBlock()
	rest := block[p.off%int64(len(block)):]
	n := copy(b[:min(int64(len(b)), p.left)], rest)
	p.off += int64(n)
	p.left -= int64(n)
	return n, nil
}

// bytesOf is the first n bytes of it.
func bytesOf(n int) []byte {
	b := make([]byte, n)
	_, _ = io.ReadFull(&patterned{left: int64(n)}, b)
	return b
}

var errPattern = errors.New("other bytes than were sent")

// checkPattern reads n bytes and wants them to be the pattern.
func checkPattern(r io.Reader, n int64) error {
	want := &patterned{left: n}
	have, due := make([]byte, 16<<10), make([]byte, 16<<10)
	for n > 0 {
		m, err := r.Read(have[:min(n, int64(len(have)))])
		if _, e := io.ReadFull(want, due[:m]); e != nil {
			return e
		}
		if string(have[:m]) != string(due[:m]) {
			return errPattern
		}
		if n -= int64(m); err != nil && n > 0 {
			return fmt.Errorf("%d bytes are missing: %w", n, err)
		}
	}
	return nil
}

// readAnswer reads one answer to GET.
func readAnswer(r *bufio.Reader, want string) error {
	status, body, err := answerOf(r)
	if err != nil {
		return err
	}
	if status != 200 || body != want {
		return fmt.Errorf("answered %d %.100q, want %.100q", status, body, want)
	}
	return nil
}

// answerOf reads one answer.
func answerOf(r *bufio.Reader) (status int, body string, err error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return response.StatusCode, string(b), err
}

// gone wants the connection closed without the answer of one who came back.
func (l *line) gone() {
	l.t.Helper()
	rest, err := io.ReadAll(l.r)
	if errors.Is(err, syscall.ECONNRESET) {
		err = nil
	}
	if err != nil || strings.Contains(string(rest), "came back") {
		l.t.Fatalf("heard %.200q and %v, want the end", rest, err)
	}
}
