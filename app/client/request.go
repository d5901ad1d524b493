package client

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Request is a request to another server. It is not changed, and must not be while the
// request is under way. It may be used any number of times if its content is nil or bytes.
type Request struct {
	// Method is GET if empty.
	Method string
	// URL is the URL of the target, without userinfo: http, h2c, https or h2, each also
	// with +unix (Client.Origin). It is not used if Origin is set.
	URL string
	// Origin is the server to ask. It saves the look-up of one by its URL.
	Origin *Origin
	// Target is path and query. It must be set with an Origin, and for the URL of a
	// socket; else it is that of the URL if it is empty.
	Target string
	// Host is sent as Host or :authority in place of the origin's.
	Host string
	// Fields are sent in order. Connection-specific fields, Host, Content-Length and
	// Transfer-Encoding are left out: the connection makes its own. traceparent and
	// tracestate of the request that asks are added if there is no traceparent, see
	// Options.NoTrace.
	Fields app.Fields
	// Content is nil, app.Bytes, or *app.Pull: its Trailers are sent, too. The content of
	// the request being answered is r.Body.Pull().
	Content app.Content
	// Expect lets content wait for a 100 (Continue), for a second at most.
	Expect bool
	// Timeout is the time until the head of the response, with waiting, connecting and
	// retries. 0 is that of the Client, a negative value no limit.
	Timeout time.Duration
	// Total is the time for the whole call, from Do to the end of the response's content,
	// time of a slow reader included. Then it fails with CallTimeout. 0 is that of the
	// Client, a negative value no limit.
	Total time.Duration
	// Idle is the time that may pass without content of the response arriving while it is
	// being read. 0 is no limit.
	Idle time.Duration
	// Retries limits the further tries if no connection can be opened, or if a new one
	// ends before any byte of a response and the method is idempotent. Retries that are
	// safe without that are always made.
	Retries int
	// Retry, if not nil, stands in place of Retries.
	Retry *Retry
	// Limit limits the content of the response in bytes; 0 is no limit. Beyond it, reading
	// fails with BodyLimit.
	Limit int64
	// OnInterim, if not nil, is called for each 1xx response other than 101, on the loop.
	OnInterim func(status int, fields app.Fields)
	// Sensitive names fields that HTTP/2 must never index (RFC 7541 section 6.2.3),
	// besides credentials and short cookies.
	Sensitive func(name string) bool
}

// Do asks on behalf of r, whose end cancels the request and its response. The future fails
// with an *Error. On r's loop.
func (c *Client) Do(r *app.Request, req *Request) app.Future[*Response] {
	return c.Send(r, req).Response()
}

// DoOn asks on behalf of no request. The response has to be read to its end, or closed. On
// the loop.
func (c *Client) DoOn(loop app.Loop, req *Request) app.Future[*Response] {
	return c.SendOn(loop, req).Response()
}

// DoBlocking is Do for goroutines, such as that of an app.Blocking handler: it waits for
// the head of the response. The content of the response is read from Body.Reader. The
// content of the request is used on r's loop.
func (c *Client) DoBlocking(r *app.Request, req *Request) (*Response, error) {
	p, f := app.Promised[*Response](r)
	r.Loop().Post(func() {
		c.Do(r, req).Done(func(resp *Response, err error) {
			if err != nil {
				p.Fail(err)
			} else {
				p.Resolve(resp)
			}
		})
	})
	return app.Await(r, f)
}

// Send is Do for requests that may be cancelled. On r's loop.
func (c *Client) Send(r *app.Request, req *Request) *Pending {
	return c.send(&Pending{asking: r, loop: r.Loop()}, req)
}

// SendOn is DoOn for requests that may be cancelled. On the loop.
func (c *Client) SendOn(loop app.Loop, req *Request) *Pending {
	return c.send(&Pending{loop: loop}, req)
}

func (c *Client) send(p *Pending, req *Request) *Pending {
	core.InitPromise(&p.promise, p.loop)
	core.InitBody(&p.response.body, (*responseBody)(p))
	p.request, p.run = req, p.turn
	p.response.pending, p.response.Body = p, &p.response.body
	d, ok := p.loop.(spi.Dialer)
	if !ok || !d.Enter() {
		closeContent(req.Content)
		p.promise.Fail(&Error{Kind: NoPeer, Safe: true, Err: errNoDialer})
		return p
	}
	p.dialer = d
	p.start(c)
	d.Leave()
	return p
}

// closeContent closes content that is not used.
func closeContent(content app.Content) {
	if c, ok := content.(interface{ Close() error }); ok {
		c.Close()
	}
}

// start begins the request.
func (p *Pending) start(c *Client) {
	l := c.loopOf(p.dialer)
	req := p.request
	p.on = l
	fields := req.Fields
	if p.asking != nil && !c.options.NoTrace {
		fields = withTrace(p.asking, fields)
	}
	p.state, p.out = pendingHead, spi.Outgoing{
		Method: req.Method, Target: req.Target, Authority: req.Host, Fields: fields,
		Content: req.Content, Expect: req.Expect, Sensitive: req.Sensitive,
	}
	if p.out.Method == "" {
		p.out.Method = "GET"
	}
	if p.origin = req.Origin; p.origin == nil {
		url, target := splitURL(req.URL)
		if p.out.Target == "" {
			p.out.Target = target
		}
		o, err := l.originOf(c, url)
		if err != nil {
			p.refuse(asError(err))
			return
		}
		p.origin = o
	}
	if p.asking != nil && !core.Attach(p.asking, &p.ending, (*pendingEnds)(p)) {
		p.refuse(&Error{Kind: ClientGone, Safe: true})
		return
	}
	if p.timeout = c.timeout(req.Timeout); p.timeout > 0 {
		l.deadlines.Set(&p.entry, l.now().Add(p.timeout), (*pendingEnds)(p))
	}
	if p.total = durationOr(req.Total, c.options.Total); p.total > 0 {
		l.deadlines.Set(&p.totalEntry, l.now().Add(p.total), (*pendingEnds)(p))
	}
	retry := req.Retry
	if retry == nil {
		p.retry.Tries = req.Retries
		retry = &p.retry
	}
	c.Start(&p.call, p.dialer, &p.out, retry, (*pendingEvents)(p))
}

// timeout returns the time for a request whose Timeout is d; 0 is no limit.
func (c *Client) timeout(d time.Duration) time.Duration {
	if d == 0 {
		return c.options.Timeout
	}
	return max(d, 0)
}

// refuse fails a request that was not started.
func (p *Pending) refuse(err *Error) {
	p.state = pendingDone
	p.promise.Fail(err.at(p.origin, &p.out))
	if p.out.Content != nil {
		p.dialer.Run(func() { closeContent(p.out.Content) })
	}
}
