package overhttp

import (
	"log"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// loop is an app.Loop that runs its tasks in a goroutine, which exists while there are any.
type loop struct {
	handler *Handler

	mu      sync.Mutex
	tasks   []func()
	running bool
}

var _ app.Loop = (*loop)(nil)

// Index implements app.Loop.
func (l *loop) Index() int { return 0 }

// Now implements app.Loop.
func (l *loop) Now() time.Time { return time.Now() }

// State implements app.Loop.
func (l *loop) State() any { return l.handler.options.State }

// Draining implements spi.Drainer.
func (l *loop) Draining() bool { return l.handler.draining.Load() }

// Post implements app.Loop.
func (l *loop) Post(task func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks = append(l.tasks, task)
	if !l.running {
		l.running = true
		go l.run()
	}
}

// After implements app.Loop.
func (l *loop) After(d time.Duration, task func()) app.Timer {
	return time.AfterFunc(d, func() { l.Post(task) })
}

// run runs the tasks.
func (l *loop) run() {
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
			log.Printf("app: a task has panicked: %v\n%s", v, debug.Stack())
		}
	}()
	task()
}

// do runs f on the loop and waits for it.
func (l *loop) do(f func()) {
	done := make(chan struct{})
	l.Post(func() {
		defer close(done)
		f()
	})
	<-done
}

// defaultJobs is the default of Options.Jobs.
const defaultJobs = 256

// pool is the app.Pool of a Handler: a goroutine for each job.
type pool struct {
	limit int

	mu      sync.Mutex
	running int
}

// Submit implements app.Pool.
func (p *pool) Submit(work func()) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == p.limit {
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
