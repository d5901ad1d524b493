package nethttp

import (
	"log"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// From returns an http.Handler that serves h: for tests, for programs that move to event loops step by step, and for
// development on systems without them. All requests share one loop, a goroutine that exists while there is work. Its
// State is nil. There are no WebSockets (501) and no drain.
//
// A goroutine of net/http waits for each response and writes its content. The response is aborted like that of a handler
// which panics with http.ErrAbortHandler if the content fails.
func From(h app.Handler) http.Handler {
	return &fromHandler{handler: h, loop: &fromLoop{}}
}

// fromHandler is an app.Handler as an http.Handler. Any goroutine.
type fromHandler struct {
	handler app.Handler
	loop    *fromLoop
	pool    fromPool
}

// ServeHTTP implements http.Handler.
func (f *fromHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := newFromExchange(f, r)
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex() // an error means that it always is
	f.loop.Post(x.start)
	leave := x.watchPeer(r.Context())
	defer leave()
	err := x.respond(w)
	x.end(err, control)
	if err != nil && r.Context().Err() == nil {
		panic(http.ErrAbortHandler)
	}
}

// appRequest fills in an app.Request.
func appRequest(made *app.Request, r *http.Request) {
	made.Method, made.Authority, made.Target, made.Protocol = r.Method, r.Host, r.RequestURI, r.Proto
	made.Scheme = "http"
	if r.TLS != nil {
		made.Scheme = "https"
	}
	if made.Target == "" {
		made.Target = r.URL.RequestURI() // a request that a test has made as a client's
	}
	path := made.Target
	if i := strings.Index(path, "://"); i > 0 && path[0] != '/' {
		// RFC 9112 section 3.2.2: absolute-form.
		rest := path[i+3:]
		path = "/"
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			path = rest[i:]
		}
	}
	made.RawPath, made.RawQuery, _ = strings.Cut(path, "?")
	made.ContentLength = r.ContentLength
	if r.Body == nil || r.Body == http.NoBody {
		made.ContentLength = 0
	}
	made.Fields = appFields(r)
}

// appFields returns the fields of r, with those that net/http keeps elsewhere. The lines of a name keep their order;
// names are sorted.
func appFields(r *http.Request) app.Fields {
	var fields app.Fields
	if r.ProtoMajor == 1 && r.Host != "" {
		fields.Add("Host", r.Host)
	}
	for _, name := range sortedNames(r.Header) {
		for _, value := range r.Header[name] {
			fields.Add(name, value)
		}
	}
	if len(r.TransferEncoding) > 0 {
		fields.Add("Transfer-Encoding", strings.Join(r.TransferEncoding, ", "))
	}
	if len(r.Trailer) > 0 {
		fields.Add("Trailer", strings.Join(sortedNames(r.Trailer), ", "))
	}
	return fields
}

// connInfo returns the description of the connection of r.
func connInfo(r *http.Request) *app.ConnInfo {
	info := &app.ConnInfo{TLS: r.TLS}
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		info.Peer = peer
	} else {
		info.PeerName = r.RemoteAddr
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		info.Local, _ = netip.ParseAddrPort(local.String())
	}
	return info
}

// fromLoop is an app.Loop that runs its tasks in a goroutine, which exists while there are any.
type fromLoop struct {
	mu      sync.Mutex
	tasks   []func()
	running bool
}

var _ app.Loop = (*fromLoop)(nil)

// Index implements app.Loop.
func (l *fromLoop) Index() int { return 0 }

// Now implements app.Loop.
func (l *fromLoop) Now() time.Time { return time.Now() }

// State implements app.Loop.
func (l *fromLoop) State() any { return nil }

// Post implements app.Loop.
func (l *fromLoop) Post(task func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, task)
	if !l.running {
		l.running = true
		go l.run()
	}
}

// After implements app.Loop.
func (l *fromLoop) After(d time.Duration, task func()) app.Timer {
	return time.AfterFunc(d, func() { l.Post(task) })
}

// run runs the tasks.
func (l *fromLoop) run() {
	for {
		l.mu.Lock()
		tasks := l.tasks
		l.tasks = nil
		l.running = len(tasks) > 0
		l.mu.Unlock()
		if len(tasks) == 0 {
			return
		}
		for _, task := range tasks {
			runTask(task)
		}
	}
}

// runTask runs a task. A panic is logged.
func runTask(task func()) {
	defer func() {
		if v := recover(); v != nil {
			log.Printf("nethttp: a task has panicked: %v\n%s", v, debug.Stack())
		}
	}()
	task()
}

// do runs f on the loop and waits for it.
func (l *fromLoop) do(f func()) {
	done := make(chan struct{})
	l.Post(func() {
		defer close(done)
		f()
	})
	<-done
}

// fromJobs is the number of jobs that run at the same time.
const fromJobs = 256

// fromPool is the app.Pool of a fromHandler.
type fromPool struct {
	mu      sync.Mutex
	running int
}

// Submit implements app.Pool.
func (p *fromPool) Submit(work func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == fromJobs {
		return app.ErrPoolFull
	}
	p.running++
	go func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.running--
		}()
		runTask(work)
	}()
	return nil
}

// setFields adds field lines to h. Those that net/http makes itself are left out, and it adds none of its own but Date.
func setFields(h http.Header, fields app.Fields) {
	for _, f := range fields {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Content-Length", "Transfer-Encoding":
		case "Date":
			if h[name] = nil; f.Value != "" { // an empty one means none
				h[name] = []string{f.Value}
			}
		default:
			h[name] = append(h[name], f.Value)
		}
	}
}

// startHead sets the head of a response in w, with the length of its content; -1: unknown.
func startHead(w http.ResponseWriter, resp *app.Response, length int64) {
	h := w.Header()
	setFields(h, resp.Fields)
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http guesses none
	}
	if length >= 0 && (allowsContent(resp.Status) || resp.Status == 304) {
		h["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	w.WriteHeader(resp.Status)
}

// refused returns the response in place of one that has no equivalent here.
func refused(r *app.Request, resp *app.Response) *app.Response {
	switch resp.Content.(type) {
	case nil, app.Bytes, *app.Pull, *app.Stream:
	case spi.Tunnel:
		return app.Error(501, "there are no WebSockets here")
	case spi.Source:
	default:
		return app.Error(501, "there are no WebSockets here")
	}
	if r.Method == "CONNECT" && resp.Status < 300 {
		return app.Error(501, "there are no tunnels here")
	}
	return nil
}

// hasBody reports whether a response to r has content.
func hasBody(r *app.Request, resp *app.Response) bool {
	return r.Method != "HEAD" && allowsContent(resp.Status) && resp.Status != 205 && resp.Content != nil
}
