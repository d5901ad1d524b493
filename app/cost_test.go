package app_test

import (
	"io"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/spi"
)

// bareLoop and bareExchange cost nothing, so that tests measure package app only.
type bareLoop struct {
	post   func(func())
	tasks  []func()
	timers []func()
}

func (l *bareLoop) Index() int     { return 0 }
func (l *bareLoop) Now() time.Time { return time.Time{} }
func (l *bareLoop) State() any     { return nil }
func (l *bareLoop) Post(task func()) {
	if l.post != nil {
		l.post(task)
		return
	}
	l.tasks = append(l.tasks, task)
}
func (l *bareLoop) After(_ time.Duration, task func()) app.Timer {
	l.timers = append(l.timers, task)
	return bareTimer{}
}

func (l *bareLoop) run() {
	for len(l.tasks) > 0 {
		task := l.tasks[0]
		l.tasks = l.tasks[:copy(l.tasks, l.tasks[1:])]
		task()
	}
}

type bareTimer struct{}

func (bareTimer) Stop() bool { return true }

type bareExchange struct {
	loop    *bareLoop
	content int
	waits   bool // for more content, in place of the end
	ready   func()
}

func (x *bareExchange) Loop() app.Loop { return x.loop }
func (x *bareExchange) Pool() app.Pool { return nil }
func (x *bareExchange) ReadBody(p []byte, ready func()) (int, error) {
	if x.content == 0 && x.waits {
		x.ready = ready
		return 0, nil
	}
	if x.content == 0 {
		return 0, io.EOF
	}
	n := min(len(p), x.content)
	x.content -= n
	return n, nil
}
func (x *bareExchange) Trailers() app.Fields                      { return nil }
func (x *bareExchange) Inform(int, app.Fields) error              { return nil }
func (x *bareExchange) Write(p []byte, _ func()) (n int, e error) { return len(p), nil }
func (x *bareExchange) Finish(app.Fields, error)                  {}

func bareRequest(path string) *app.Request {
	r := &app.Request{Method: "GET", RawPath: path}
	spi.Bind(r, &bareExchange{loop: &bareLoop{}}, &app.ConnInfo{})
	return r
}

var (
	static = app.Ready(app.Text(200, "hello"))
	double = func(n int) app.Future[int] { return app.Ready(2 * n) }
	result int
)

func helloRouter() *router.Router {
	var routes router.Router
	hello := func(*app.Request) app.Answer { return static }
	routes.Handle("GET /{$}", hello)
	routes.Handle("GET /items/all", hello)
	routes.Handle("GET /items/{id}", hello)
	routes.Handle("/static/{path...}", hello)
	return &routes
}

func TestReadyFuturesDoNotAllocate(t *testing.T) {
	routes := helloRouter()
	serve := app.Handler(routes.Serve)
	root, item, all := bareRequest("/"), bareRequest("/items/42"), bareRequest("/items/all")
	for name, c := range map[string]struct {
		most float64
		run  func()
	}{
		"ready":               {0, func() { result, _ = app.Ready(1).Result() }},
		"failed":              {0, func() { app.Failed[int](io.EOF).Result() }},
		"then":                {0, func() { result, _ = app.Then(app.Ready(1), double).Result() }},
		"then, three times":   {0, func() { result, _ = app.Then(app.Then(app.Then(app.Ready(1), double), double), double).Result() }},
		"map":                 {0, func() { app.Map(app.Ready(1), func(n int) (int, error) { return n, nil }).Result() }},
		"catch":               {0, func() { app.Catch(app.Ready(1), func(error) app.Future[int] { return app.Ready(0) }).Result() }},
		"answer":              {0, func() { spi.Run(serve, root, time.Second) }},
		"answer by a literal": {0, func() { spi.Run(serve, all, time.Second) }},
		"answer by wildcard":  {1, func() { spi.Run(serve, item, time.Second) }},
		"end of a request":    {0, func() { spi.Cancel(root, nil) }},
		"query":               {0, func() { root.QueryValue("x") }},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.most {
			t.Errorf("%s: %v allocations, want %v", name, got, c.most)
		}
	}
}

func TestAllocationsOfPendingFutures(t *testing.T) {
	r := bareRequest("/")
	loop := r.Loop().(*bareLoop)
	// The promise, the continuation with its cell, and the task: a queue and the function
	// that runs it.
	if got := testing.AllocsPerRun(100, func() {
		p, f := app.Promised[int](r)
		app.Then(f, double)
		p.Resolve(1)
		loop.run()
	}); got > 4 {
		t.Errorf("promise, continuation, resolution: %v allocations, want 4", got)
	}
}

func TestAllocationsOfTimers(t *testing.T) {
	r := bareRequest("/")
	_, never := app.Promised[int](r)
	for name, c := range map[string]struct {
		most float64
		run  func()
	}{
		// The wait with its cell, and the task of the timer.
		"sleep":   {2, func() { app.Sleep(r, time.Second) }},
		"timeout": {2, func() { app.Timeout(r, time.Second, never) }},
	} {
		if got := testing.AllocsPerRun(100, c.run); got > c.most {
			t.Errorf("%s: %v allocations, want %v", name, got, c.most)
		}
	}
}

func TestLargeUploadLeavesNoGarbage(t *testing.T) {
	x := &bareExchange{loop: &bareLoop{}, content: 1 << 30}
	r := &app.Request{ContentLength: -1}
	spi.Bind(r, x, &app.ConnInfo{})
	buf := make([]byte, 32<<10)
	use := func([]byte) app.Future[app.Done] { return app.Ready(app.Done{}) }
	if got := testing.AllocsPerRun(1, func() { x.content = 1 << 28; r.Body.Each(buf, use) }); got > 5 {
		t.Errorf("reading 8192 parts: %v allocations", got)
	}
}

func TestAllocationsOfAPendingRead(t *testing.T) {
	x := &bareExchange{loop: &bareLoop{}, waits: true}
	r := &app.Request{ContentLength: -1}
	spi.Bind(r, x, &app.ConnInfo{})
	r.Body.Each(make([]byte, 100), func([]byte) app.Future[app.Done] { return app.Ready(app.Done{}) })
	// The cell of the future, the continuation, and the queue of waiters.
	if got := testing.AllocsPerRun(100, func() { x.content = 100; x.ready() }); got > 3 {
		t.Errorf("%v allocations, want 3", got)
	}
}

func BenchmarkReadyAnswer(b *testing.B) {
	routes := helloRouter()
	serve := app.Handler(routes.Serve)
	r := bareRequest("/")
	b.ReportAllocs()
	for b.Loop() {
		spi.Run(serve, r, time.Second)
	}
}

func BenchmarkRouter(b *testing.B) {
	routes := helloRouter()
	for name, path := range map[string]string{"static": "/items/all", "wildcard": "/items/42", "rest": "/static/a/b/c", "none": "/nothing"} {
		b.Run(name, func(b *testing.B) {
			r := bareRequest(path)
			b.ReportAllocs()
			for b.Loop() {
				routes.Serve(r)
			}
		})
	}
}

func BenchmarkThen(b *testing.B) {
	b.Run("ready", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			result, _ = app.Then(app.Ready(1), double).Result()
		}
	})
	b.Run("pending", func(b *testing.B) {
		r := bareRequest("/")
		loop := r.Loop().(*bareLoop)
		b.ReportAllocs()
		for b.Loop() {
			p, f := app.Promised[int](r)
			app.Then(f, double)
			p.Resolve(1)
			loop.run()
		}
	})
}

// BenchmarkDelayedAnswer measures a request that sleeps.
func BenchmarkDelayedAnswer(b *testing.B) {
	loop := &bareLoop{}
	loop.post = func(task func()) { task() }
	h := func(r *app.Request) app.Answer {
		return app.Then(app.Sleep(r, time.Second), func(app.Done) app.Answer { return static })
	}
	b.ReportAllocs()
	for b.Loop() {
		r := &app.Request{Method: "GET", RawPath: "/"}
		spi.Bind(r, &bareExchange{loop: loop}, &app.ConnInfo{})
		spi.Run(h, r, time.Minute)
		loop.timers[0]() // the sleep's
		loop.timers = loop.timers[:0]
		spi.Cancel(r, nil)
	}
}

func BenchmarkAll(b *testing.B) {
	r := bareRequest("/")
	loop := r.Loop().(*bareLoop)
	promises := make([]*app.Promise[int], 10)
	fs := make([]app.Future[int], 10)
	b.ReportAllocs()
	for b.Loop() {
		for i := range fs {
			promises[i], fs[i] = app.Promised[int](r)
		}
		app.All(fs...)
		for _, p := range promises {
			p.Resolve(1)
		}
		loop.run()
	}
}

// BenchmarkBlocking measures a blocking handler on a slow host: only comparisons are
// meaningful.
func BenchmarkBlocking(b *testing.B) {
	host := apptest.New(app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		_, err := w.WriteString("hello")
		return err
	}))
	b.ReportAllocs()
	for b.Loop() {
		host.Do(apptest.Get("/"))
	}
}
