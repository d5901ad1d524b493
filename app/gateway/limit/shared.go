package limit

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/gatewheel/gatewheel/app"
)

// SharedOptions describe a Redis server that counts for several servers.
type SharedOptions struct {
	// URL is redis://[user:password@]host[:6379][/database], or rediss:// for TLS.
	URL string
	// Timeout limits connecting, and asking. 0 is 100 ms.
	Timeout time.Duration
	// Retry is the time without questions after a failure. 0 is 1 s.
	Retry time.Duration
	// Warn, if not nil, is called when the server cannot be asked, once until it answers again, and
	// then with nil. It is not called on a loop.
	Warn func(error)
}

const (
	defaultSharedTimeout = 100 * time.Millisecond
	defaultSharedRetry   = time.Second
	// questionsKept is the number of requests that may wait to be counted. Beyond it they pass.
	questionsKept = 8192
	// batchSize is the number of requests that are counted in one round trip.
	batchSize = 1024
)

// Shared counts requests in a Redis server (5.0 or later). Requests of all loops are counted by one
// goroutine, in batches of one round trip each. A request that cannot be counted, because the server
// fails, is slow, or too many requests wait, passes: the limit fails open.
type Shared struct {
	options   SharedOptions
	questions chan *question
	closed    chan struct{}
	ended     chan struct{}
	closing   sync.Once
	uncounted atomic.Uint64
	asked     atomic.Uint64
	batches   atomic.Uint64

	// Of the goroutine.
	conn    redis.Conn // nil: none
	hash    string     // of the script
	failing bool
	until   time.Time // no questions before
}

// OpenShared starts the goroutine. It does not wait for the server.
func OpenShared(o SharedOptions) (*Shared, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Hostname() == "" {
		return nil, errors.New("limit: the URL of a Redis server is redis://host:6379 or rediss://host:6379")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultSharedTimeout
	}
	if o.Retry <= 0 {
		o.Retry = defaultSharedRetry
	}
	s := &Shared{options: o, questions: make(chan *question, questionsKept), closed: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s, nil
}

// Close ends the goroutine. Requests pass from then on. Any goroutine but a loop's.
func (s *Shared) Close() {
	s.closing.Do(func() { close(s.closed) })
	<-s.ended
}

// SharedStats are counters since the start.
type SharedStats struct {
	// Counted is the number of requests that the server has counted, Batches that of round trips.
	Counted, Batches uint64
	// Uncounted is the number of requests that passed because they could not be counted.
	Uncounted uint64
}

// Stats returns the counters. Any goroutine.
func (s *Shared) Stats() SharedStats {
	return SharedStats{Counted: s.asked.Load(), Batches: s.batches.Load(), Uncounted: s.uncounted.Load()}
}

// question is a request that is to be counted.
type question struct {
	limit   *Rate
	hash    uint64
	key     string
	now     int64 // of the limit's table
	promise *app.Promise[time.Duration]
}

// answer tells the loop. wait is 0 if the request passes.
func (q *question) answer(wait time.Duration) {
	if wait > 0 {
		// Until then the server refuses the key, so it is not asked.
		q.limit.table.Refuse(q.hash, q.now, q.now+int64(wait))
	}
	q.promise.Resolve(q.limit.counted(wait))
}

// checkShared counts a request in the server, unless the key is known to be refused. The time in the
// table is that until which it is.
func (l *Rate) checkShared(r *app.Request, key uint64, text string, now int64) app.Future[time.Duration] {
	if wait := l.table.Until(key, now) - now; wait > 0 {
		return app.Ready(l.counted(time.Duration(wait)))
	}
	if text == "" {
		text = "c:" + addressText(r.Client().Addr.Addr())
	} else {
		text = "h:" + text
	}
	p, f := app.Promised[time.Duration](r)
	q := &question{limit: l, hash: key, key: l.prefix + text, now: now, promise: p}
	if !l.shared.put(q) {
		l.shared.uncounted.Add(1)
		return app.Ready(time.Duration(0))
	}
	return f
}

// put queues a question. It reports false if too many wait, or after Close.
func (s *Shared) put(q *question) bool {
	if s.isClosed() {
		return false
	}
	select {
	case s.questions <- q:
	default:
		return false
	}
	if s.isClosed() {
		s.passAll() // the goroutine may have ended before it saw the question
	}
	return true
}

func (s *Shared) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// addressText returns the key of a client's address in the server.
func addressText(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		raw := a.As16()
		return hex.EncodeToString(raw[:8])
	}
	if !a.IsValid() {
		return "none"
	}
	return a.String()
}

// run is the goroutine.
func (s *Shared) run() {
	defer close(s.ended)
	var batch []*question
	for {
		select {
		case <-s.closed:
			s.hangUp()
			s.passAll()
			return
		case q := <-s.questions:
			batch = append(batch[:0], q)
		}
		for len(batch) < batchSize && len(s.questions) > 0 {
			batch = append(batch, <-s.questions)
		}
		s.count(batch)
		clear(batch)
	}
}

// passAll lets requests pass that wait when the goroutine ends.
func (s *Shared) passAll() {
	for {
		select {
		case q := <-s.questions:
			s.uncounted.Add(1)
			q.answer(0)
		default:
			return
		}
	}
}

// count counts a batch, and answers each question.
func (s *Shared) count(batch []*question) {
	if s.failing && time.Now().Before(s.until) {
		s.pass(batch)
		return
	}
	err := s.ask(batch)
	if err == nil {
		if s.failing {
			s.failing = false
			s.warn(nil)
		}
		return
	}
	s.hangUp()
	s.pass(batch)
	s.until = time.Now().Add(s.options.Retry)
	if !s.failing {
		s.failing = true
		s.warn(fmt.Errorf("limit: requests pass uncounted: %w", err))
	}
}

func (s *Shared) warn(err error) {
	if s.options.Warn != nil {
		s.options.Warn(err)
	}
}

// pass lets the requests of a batch pass that have no answer.
func (s *Shared) pass(batch []*question) {
	for _, q := range batch {
		if q != nil {
			s.uncounted.Add(1)
			q.answer(0)
		}
	}
}

func (s *Shared) hangUp() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// group is the questions of a batch about one key.
type group struct {
	first *question
	count int
	admit int           // of them
	wait  time.Duration // of the others
}

// ask counts a batch in one round trip, answers its questions and sets them to nil.
func (s *Shared) ask(batch []*question) error {
	if s.conn == nil {
		if err := s.connect(); err != nil {
			return err
		}
	}
	var order []*group
	groups := make(map[string]*group, len(batch))
	for _, q := range batch {
		g := groups[q.key]
		if g == nil {
			g = &group{first: q}
			groups[q.key] = g
			order = append(order, g)
		}
		g.count++
	}
	for _, g := range order {
		l := g.first.limit
		if err := s.conn.Send("EVALSHA", s.hash, 1, g.first.key, micros(int64(l.limit.Interval)), micros(int64(l.limit.Span())), g.count); err != nil {
			return err
		}
	}
	if err := s.conn.Flush(); err != nil {
		return err
	}
	late := time.Now().Add(s.options.Timeout)
	for _, g := range order {
		if time.Now().After(late) {
			return errors.New("the server answers too slowly")
		}
		if err := s.receive(g); err != nil {
			return err
		}
	}
	s.batches.Add(1)
	s.asked.Add(uint64(len(batch)))
	for i, q := range batch {
		g := groups[q.key]
		batch[i] = nil
		if g.admit > 0 {
			g.admit--
			q.answer(0)
		} else {
			q.answer(max(g.wait, 1))
		}
	}
	return nil
}

// micros returns nanoseconds as microseconds, in decimal.
func micros(ns int64) string { return strconv.FormatFloat(float64(ns)/1e3, 'f', -1, 64) }

// receive reads the server's answer about a group.
func (s *Shared) receive(g *group) error {
	answer, err := redis.Int64s(s.conn.Receive())
	if err != nil {
		return err
	}
	if len(answer) != 2 || answer[0] < 0 || answer[1] < 0 {
		return errors.New("the answer of the script is malformed")
	}
	g.admit, g.wait = int(answer[0]), time.Duration(answer[1])*time.Microsecond
	return nil
}

// connect opens a connection and loads the script.
func (s *Shared) connect() error {
	d := s.options.Timeout
	conn, err := redis.DialURL(s.options.URL, redis.DialConnectTimeout(d), redis.DialReadTimeout(d), redis.DialWriteTimeout(d), redis.DialTLSHandshakeTimeout(d))
	if err != nil {
		return err
	}
	if s.hash, err = redis.String(conn.Do("SCRIPT", "LOAD", script)); err != nil {
		conn.Close()
		return err
	}
	s.conn = conn
	return nil
}

// script counts ARGV[3] requests of KEYS[1] by the server's clock, as Rate.admit does, in
// microseconds. It returns how many of them pass, and the time after which the next would.
const script = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, span, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local room = math.max(0, math.floor((now + span - time) / interval + 0.000001))
local admit = math.min(room, count)
if admit > 0 then
  time = time + admit * interval
  redis.call('SET', KEYS[1], string.format('%.3f', time), 'PX', math.ceil((time - now) / 1000) + 1)
end
return {admit, math.max(0, math.ceil(time + interval - now - span))}
`
