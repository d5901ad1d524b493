// Package apptest runs handlers without sockets. Tests control the time, the speed of the
// peer and when it leaves. A Call and a Socket record what the peer gets: content with its
// times, events, messages and close codes.
//
//	host := apptest.New(handler)
//	call := host.Do(apptest.Get("/delay/1s"))
//	// call.Status == 0: there is no response yet
//	host.Advance(time.Second)
//	// call.Status == 200
//
// Handlers with goroutines that wait for anything but their loop, such as the end of a
// context or time.Sleep, run in a bubble of testing/synctest: there Settle returns when
// they wait, and Advance moves their clock too.
package apptest

import (
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// Request is a request that a test sends.
type Request struct {
	// Method is GET if empty.
	Method string
	// Target is the request target, in origin-form or absolute-form.
	Target string
	// Host is the authority, example.com if empty.
	Host   string
	Fields app.Fields
	// Body is the content, or its first part if Open is set.
	Body string
	// Open leaves the content open for Call.Send and Call.End.
	Open bool
	// Length is the declared length of open content; 0 is unknown.
	Length int64
	// Protocol is app.HTTP11 if empty.
	Protocol string
	// Loop is the index of the loop that owns the connection.
	Loop int
	// Conn describes the connection. The default is 192.0.2.1:1234 to 192.0.2.2:80.
	Conn *app.ConnInfo
	// Slow makes the peer take content of the response only by Call.Take. Room is the
	// number of bytes that are accepted ahead of it.
	Slow bool
	Room int
}

// Get returns a GET request with fields, which are given as name, value, name, value.
func Get(target string, fields ...string) *Request {
	r := &Request{Target: target}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Fields.Add(fields[i], fields[i+1])
	}
	return r
}

// Post returns a POST request with that content.
func Post(target, contentType, body string) *Request {
	return &Request{
		Method: "POST", Target: target, Body: body,
		Fields: app.Fields{{Name: "Content-Type", Value: contentType}},
	}
}

// Interim is a 1xx response.
type Interim struct {
	Status int
	Fields app.Fields
}

// Call is a request and its results so far. Its fields may be read between calls of its
// methods and of its host's.
type Call struct {
	// Request is the request as the handler sees it.
	Request *app.Request
	// Status is 0 while there is no response.
	Status int
	// Header has the fields of the response.
	Header app.Fields
	// Length is the declared length; -1 is unknown.
	Length int64
	// Content is the content that the peer has taken so far.
	Content []byte
	// Trailer has the trailer fields of the response.
	Trailer app.Fields
	// Interims are the 1xx responses before the final one.
	Interims []Interim
	// Complete is set when the response has ended, Aborted when it was aborted.
	Complete, Aborted bool
	// Err is the failure of the handler or the stream, which a server would log.
	Err error
	// Response is that of the handler, or the one for Err.
	Response *app.Response

	host     *Host
	loop     *Loop
	req      app.Request
	head     bool
	slow     bool
	room     int
	buffered []byte // accepted and not taken yet
	pull     *app.Pull

	started time.Time
	pieces  []Piece

	body      []byte // sent and not read yet
	bodyEnded bool
	trailers  app.Fields
	failure   error // of the exchange
	bodyReady func()
	writeRdy  func()
	socket    *Socket
	peer      *backendCall // of a request that a Backend answers
}

// changed tells a Backend about progress.
func (c *Call) changed() {
	if c.peer != nil {
		c.peer.schedule()
	}
}

// Do starts a request and calls Settle.
func (h *Host) Do(req *Request) *Call {
	c := h.Start(req)
	h.Settle()
	return c
}

// Start starts a request and calls SettleLoops.
func (h *Host) Start(req *Request) *Call {
	c := h.call(req)
	h.live[c] = struct{}{}
	c.loop.Post(func() {
		spi.Bind(&c.req, (*exchange)(c), c.conn(req))
		f := spi.Run(h.handler, &c.req, h.Timeout)
		f.Done(c.answer)
	})
	h.SettleLoops()
	return c
}

func (h *Host) call(req *Request) *Call {
	c := &Call{
		host: h, loop: h.loops[req.Loop], slow: req.Slow, room: req.Room,
		started: h.loops[req.Loop].Now(), head: req.Method == "HEAD", body: []byte(req.Body), bodyEnded: !req.Open,
	}
	r := &c.req
	c.Request = r
	r.Method = or(req.Method, "GET")
	r.Authority = or(req.Host, "example.com")
	r.Protocol = or(req.Protocol, app.HTTP11)
	r.Scheme = "http"
	r.Target = req.Target
	path := req.Target
	if scheme, rest, ok := strings.Cut(path, "://"); ok && path[0] != '/' {
		r.Scheme = scheme
		r.Authority, path, _ = strings.Cut(rest, "/")
		path = "/" + path
	}
	r.RawPath, r.RawQuery, _ = strings.Cut(path, "?")
	r.Fields = req.Fields
	r.ContentLength = int64(len(req.Body))
	if req.Open {
		r.ContentLength = -1
		if req.Length > 0 {
			r.ContentLength = req.Length
		}
	}
	return c
}

func (c *Call) conn(req *Request) *app.ConnInfo {
	if req.Conn != nil {
		if req.Conn.TLS != nil {
			c.req.Scheme = "https"
		}
		return req.Conn
	}
	return &app.ConnInfo{
		Peer:  netip.MustParseAddrPort("192.0.2.1:1234"),
		Local: netip.MustParseAddrPort("192.0.2.2:80"),
	}
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// answer takes the response of the handler, as a server does.
func (c *Call) answer(resp *app.Response, err error) {
	if err != nil {
		c.Err = err
		resp = app.ErrorResponse(err)
	}
	if c.failure != nil {
		resp.Close()
		return
	}
	c.Response, c.Status, c.Header, c.Length = resp, resp.Status, resp.Fields, resp.Length()
	c.changed()
	if c.head || resp.Status == 204 || resp.Status == 304 {
		resp.Close()
		c.finish()
		return
	}
	switch content := resp.Content.(type) {
	case nil:
		c.finish()
	case app.Bytes:
		if c.peer != nil {
			c.buffered = append(c.buffered, content...)
		} else {
			c.took(content)
		}
		c.finish()
	case *app.Pull:
		c.pull = content
		c.pump()
	case *app.Stream:
		spi.ServeStream(content, &c.req)
	case *websocket.Upgrade:
		c.upgrade(content)
	default:
		c.Aborted = true
	}
}

func (c *Call) finish() {
	c.Complete = true
	c.changed()
	delete(c.host.live, c)
	spi.Cancel(&c.req, nil)
}

// pump reads a pulled response as far as there is room.
func (c *Call) pump() {
	for c.pull != nil && c.failure == nil && (!c.slow || c.room > 0) {
		p := make([]byte, 16<<10)
		if c.slow {
			p = p[:min(len(p), c.room)]
		}
		n, err := c.pull.Read(p)
		c.accept(p[:n])
		if n == 0 && err == nil && c.pull.Wait != nil {
			pull := c.pull
			c.pull = nil
			pull.Wait(func() {
				c.pull = pull
				c.pump()
			})
			return
		}
		if err == nil {
			continue
		}
		if err == io.EOF && c.pull.Trailers != nil {
			c.Trailer = c.pull.Trailers()
		}
		c.pull = nil
		if err == io.EOF {
			c.finish()
		} else {
			c.abort(err)
		}
		c.Response.Close()
	}
}

func (c *Call) accept(p []byte) {
	if c.slow {
		c.room -= len(p)
		c.buffered = append(c.buffered, p...)
		c.changed()
		return
	}
	c.took(p)
}

func (c *Call) abort(err error) {
	c.Aborted, c.Err = true, err
	c.changed()
	delete(c.host.live, c)
	spi.Cancel(&c.req, err)
}
