//go:build linux

package server_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

// querier is a server from whose loop a test asks other servers, by package spi alone.
type querier struct {
	*site
	loop app.Loop
}

// queries starts a server with one loop.
func queries(t *testing.T, options ...func(*server.Config)) *querier {
	t.Helper()
	a := &querier{}
	hello := func(*app.Request) app.Answer { return app.Ready(app.Text(200, "Hello, World!")) }
	a.site = serve(t, hello, append([]func(*server.Config){func(c *server.Config) {
		c.Loops = 1
		c.Hooks.LoopStart = func(l app.Loop) (any, error) {
			a.loop = l
			return nil, nil
		}
	}}, options...)...)
	return a
}

// on runs f on the loop, owned, and waits.
func (a *querier) on(f func()) {
	a.t.Helper()
	done := make(chan struct{})
	a.post(func() {
		defer close(done)
		f()
	})
	a.await("the loop", done)
}

// post runs f on the loop, owned.
func (a *querier) post(f func()) {
	a.loop.Post(func() {
		if d := a.loop.(spi.Dialer); d.Enter() {
			defer d.Leave()
			f()
		}
	})
}

// await waits for something that must happen.
func (a *querier) await(what string, done <-chan struct{}) {
	a.t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		a.t.Fatalf("%s: nothing has happened", what)
	}
}

// eventuallyOn waits until condition holds on the loop.
func (a *querier) eventuallyOn(what string, condition func() bool) {
	a.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		holds := false
		a.on(func() { holds = condition() })
		if holds {
			return
		}
		if time.Now().After(end) {
			a.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// dialled is a connection of an querier to another server, and its owner. Fields belong to the loop.
type dialled struct {
	*querier
	address string
	up      spi.Upstream
	changes int
	failure error
	open    chan struct{} // closed by Opened
	ended   chan struct{} // closed by Closed
	opened  func(u spi.Upstream)
}

func (d *dialled) Opened(u spi.Upstream) {
	d.up = u
	if d.opened != nil {
		d.opened(u)
	}
	close(d.open)
}

func (d *dialled) Changed() { d.changes++ }

func (d *dialled) Closed(err error) {
	d.failure = err
	close(d.ended)
}

// begin starts a dial.
func (a *querier) begin(d *spi.Dial) *dialled {
	a.t.Helper()
	c := &dialled{querier: a, address: d.Address, open: make(chan struct{}), ended: make(chan struct{})}
	if d.Network == "" {
		d.Network = "tcp"
	}
	a.on(func() { a.loop.(spi.Dialer).Dial(d, c) })
	return c
}

// connect dials and waits for the connection.
func (a *querier) connect(d *spi.Dial) *dialled {
	a.t.Helper()
	c := a.begin(d)
	select {
	case <-c.open:
	case <-c.ended:
		a.t.Fatalf("no connection: %v", c.failure)
	case <-time.After(patience):
		a.t.Fatal("no connection")
	}
	return c
}

// close closes the connection, and wants it to end without a failure.
func (d *dialled) close() {
	d.t.Helper()
	d.on(d.up.Close)
	if err := d.end(); err != nil {
		d.t.Errorf("the connection has ended with %v", err)
	}
}

// end waits for the end of the connection and returns its failure.
func (d *dialled) end() error {
	d.t.Helper()
	d.await("end of the connection", d.ended)
	return d.failure
}

// asked is a call and its owner. Fields belong to the loop until done is closed.
type asked struct {
	*dialled
	call     spi.Call
	startErr error
	interims []int
	head     spi.Incoming
	content  bytes.Buffer
	readErr  error
	err      error
	headHook func() // called by Head, unless nil
	unread   bool   // content is not read as it comes
	headCame chan struct{}
	endCame  chan struct{} // Ended
	read     chan struct{} // the content has ended
}

func (q *asked) Interim(status int, _ app.Fields) { q.interims = append(q.interims, status) }

func (q *asked) Head(in *spi.Incoming) {
	q.head = *in
	q.head.Fields = in.Fields.Clone(0)
	close(q.headCame)
	if q.headHook != nil {
		q.headHook()
	}
	if !q.unread {
		q.readOn()
	}
}

// readOn reads what there is, and goes on when there is more.
func (q *asked) readOn() {
	var p [4096]byte
	for {
		n, err := q.call.ReadBody(p[:], q.readOn)
		q.content.Write(p[:n])
		switch {
		case err != nil:
			q.readErr = err
			close(q.read)
			return
		case n == 0:
			return
		}
	}
}

func (q *asked) Ended(err error) {
	q.err = err
	close(q.endCame)
}

// ask starts a call, whose response is read as it comes.
func (d *dialled) ask(out *spi.Outgoing) *asked { return d.askWith(out, false) }

func (d *dialled) askWith(out *spi.Outgoing, unread bool) *asked {
	d.t.Helper()
	q := &asked{dialled: d, unread: unread, headCame: make(chan struct{}), endCame: make(chan struct{}), read: make(chan struct{})}
	complete(out)
	d.on(func() { q.call, q.startErr = d.up.Start(out, q) })
	if q.startErr != nil {
		d.t.Fatalf("not started: %v", q.startErr)
	}
	return q
}

// complete fills in what most requests have in common.
func complete(out *spi.Outgoing) {
	if out.Method == "" {
		out.Method = "GET"
	}
	if out.Target == "" {
		out.Target = "/"
	}
	if out.Authority == "" {
		out.Authority = "a.test"
	}
	if out.Scheme == "" {
		out.Scheme = "http"
	}
}

// answer waits for the end of a call and checks its response, then releases it.
func (q *asked) answer(status int, content string) *asked {
	q.t.Helper()
	q.await("end of the call", q.endCame)
	if q.err != nil {
		q.t.Fatalf("the call has failed: %v", q.err)
	}
	q.await("end of the content", q.read)
	if q.head.Status != status || q.content.String() != content {
		q.t.Fatalf("got %d %.100q (%d bytes), want %d %.100q", q.head.Status, q.content.String(), q.content.Len(), status, content)
	}
	q.on(func() { q.call.Release() })
	return q
}

// failed waits for the end of a call, which must be a failure, and releases it.
func (q *asked) failed() error {
	q.t.Helper()
	q.await("end of the call", q.endCame)
	if q.err == nil {
		q.t.Fatalf("the call has not failed: %d %q", q.head.Status, q.content.String())
	}
	q.on(func() { q.call.Release() })
	return q.err
}

// backend is a scripted server: what it hears and says stands in the test.
type backend struct {
	t *testing.T
	net.Listener
}

func scripted(t *testing.T) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &backend{t, l}
}

func (b *backend) address() string { return b.Addr().String() }

// accept waits for the next connection.
func (b *backend) accept() *line {
	b.t.Helper()
	_ = b.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := b.Accept()
	if err != nil {
		b.t.Fatal(err)
	}
	return (&site{t: b.t}).over(c)
}

// goServer serves handler by Go's server, over HTTP/1.1, h2c and, with a configuration, TLS. It returns its address.
func goServer(t *testing.T, handler http.Handler, config *tls.Config) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: handler, Protocols: &protocols, TLSConfig: config}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if config != nil {
			_ = s.ServeTLS(l, "", "")
			return
		}
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return l.Addr().String()
}
