package client

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/deadline"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/internal/linked"
)

// Client asks other servers. It is made once and used by all loops, of any number of
// servers; each loop has its own connections. Any goroutine may use it, unless a method
// says otherwise.
type Client struct {
	options Options
	loops   atomic.Pointer[[]*loop] // the first with each index of app.Loop
	made    int                     // loops
	mu      sync.Mutex              // for origins, and for making loops
	origins map[string]*Origin
}

// New returns a client.
func New(options Options) *Client {
	c := &Client{options: options, origins: map[string]*Origin{}}
	c.options.Timeout = durationOr(options.Timeout, defaultTimeout)
	c.loops.Store(new([]*loop))
	return c
}

// Close closes the origins that were named by URLs. See Origin.Close.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for url, o := range c.origins {
		delete(c.origins, url)
		o.Close()
	}
}

// loop is what a Client keeps for an app.Loop. It belongs to that loop.
type loop struct {
	id        int // unique in the client
	home      app.Loop
	dialer    spi.Dialer // of home
	next      *loop      // another loop with the same index
	deadlines deadline.Queue
	budget    budget
	outgoing  spi.Outgoing                 // scratch for Start
	failing   linked.List[waiter, *waiter] // calls whose failure is reported in a task
	uploads   []*upload                    // free
	buffers   [][]byte                     // free, for kept content
	dropped   []byte                       // memory for content that nobody reads
	origins   map[string]*Origin
}

// scratch returns memory for content that nobody reads.
func (l *loop) scratch() []byte {
	if l.dropped == nil {
		l.dropped = make([]byte, 4<<10)
	}
	return l.dropped
}

// loopOf returns what the client keeps for d's loop.
func (c *Client) loopOf(d spi.Dialer) *loop {
	home := d.Home()
	if loops := *c.loops.Load(); home.Index() < len(loops) {
		for l := loops[home.Index()]; l != nil; l = l.next {
			if l.home == home {
				return l
			}
		}
	}
	return c.newLoop(home)
}

func (c *Client) newLoop(home app.Loop) *loop {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := *c.loops.Load()
	loops := make([]*loop, max(len(old), home.Index()+1))
	copy(loops, old)
	l := &loop{id: c.made, home: home, dialer: home.(spi.Dialer), next: loops[home.Index()], origins: map[string]*Origin{}}
	l.deadlines.Init(home)
	loops[home.Index()] = l
	c.made++
	c.loops.Store(&loops)
	return l
}

// now returns the time of the loop.
func (l *loop) now() time.Time { return l.home.Now() }

// post calls task on the loop, owned. Any goroutine.
func (l *loop) post(task func()) {
	var run func()
	run = func() {
		if !l.dialer.Enter() {
			l.home.Post(run)
			return
		}
		task()
		l.dialer.Leave()
	}
	l.home.Post(run)
}

// originOf returns the origin with that URL.
func (l *loop) originOf(c *Client, url string) (*Origin, error) {
	if o := l.origins[url]; o != nil && !o.closed.Load() {
		return o, nil
	}
	c.mu.Lock()
	o, err := c.originOf(url)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if len(l.origins) >= maxOrigins {
		clear(l.origins)
	}
	l.origins[url] = o
	return o, nil
}

// failLater lets a call fail in a task, so that no Events are called now.
func (l *loop) failLater(c *Call, err *Error) {
	c.state, c.reason, c.place.call = callFailing, err, c
	l.failing.Push(&c.place)
	if l.failing.Len() == 1 {
		l.post(l.fail)
	}
}

// fail is a task of the loop.
func (l *loop) fail() {
	if l.failing.Len() == 0 {
		return
	}
	c := l.failing.Pop().call
	if l.failing.Len() > 0 {
		l.post(l.fail) // the goroutine may end inside the Events
	}
	err := c.reason
	c.state, c.reason = callIdle, nil
	c.failed(err)
}
