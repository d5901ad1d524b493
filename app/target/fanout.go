package target

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

const (
	// maxFanout bounds n.
	maxFanout = 1000
	// maxChildren bounds the subrequests of all requests together. Each holds about a kilobyte, and a thousand
	// cost the client no more than one.
	maxChildren = 100_000
)

type gathered struct {
	Asked   int      `json:"asked"`
	Came    int      `json:"came"`
	Missing int      `json:"missing"`
	Answers []answer `json:"answers"`
}

type answer struct {
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
}

var crowded = app.Ready(app.Error(503, fmt.Sprintf("all requests together wait for %d answers at most", maxChildren)).With("Retry-After", "1"))

// fanout sends n subrequests to /delay, of this server or of each backend in turn, and answers with the results that
// came before the deadline.
func (t *target) fanout(r *app.Request) app.Answer {
	p := params{r: r}
	n := p.number("n", 10, 1, maxFanout)
	dist := p.durations("delay", "0s")
	deadline := p.duration("deadline", time.Second)
	draw := p.draw()
	backends := t.backends(&p)
	if p.err != nil {
		return p.refusal()
	}
	if t.children.Add(int64(n)) > maxChildren {
		t.children.Add(-int64(n))
		return crowded
	}
	var own []*subrequest
	ask := t.config.Ask
	if ask == nil {
		ask = func(r *app.Request, target string) app.Answer {
			s := newSubrequest(r, target)
			own = append(own, s)
			return spi.Run(t.serve, &s.request, 0)
		}
	}
	calls := make([]app.Answer, n)
	for i := range calls {
		path := "/delay/" + dist.at(draw()).String()
		if len(backends) > 0 {
			calls[i] = t.askBackend(r, backends[i%len(backends)]+path)
		} else {
			calls[i] = ask(r, path)
		}
	}
	return app.Map(app.Collect(r, deadline, calls...), func(outcomes []app.Outcome[*app.Response]) (*app.Response, error) {
		t.children.Add(-int64(n))
		for _, s := range own {
			spi.Cancel(&s.request, nil) // ends what is still waiting
		}
		return report(outcomes)
	})
}

// backends returns the URLs of other servers to ask.
func (t *target) backends(p *params) []string {
	urls := p.r.Query()[repeatable]
	for i, text := range urls {
		urls[i] = strings.TrimSuffix(text, "/")
		if u, err := url.Parse(urls[i]); err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			p.note(app.Statusf(400, "backend is a URL such as h2c://127.0.0.1:9000, not %q", text))
		} else if !t.config.AllowBackends && !isLoopback(u.Hostname()) {
			p.note(app.Statusf(403, "backend is a loopback address, not %q: other servers need --allow-backends", u.Hostname()))
		}
	}
	return urls
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// askBackend asks another server, and drops the content of its response.
func (t *target) askBackend(r *app.Request, url string) app.Answer {
	return app.Map(t.client.Do(r, &client.Request{URL: url}), func(resp *client.Response) (*app.Response, error) {
		resp.Close()
		return app.Empty(resp.Status), nil
	})
}

func report(outcomes []app.Outcome[*app.Response]) (*app.Response, error) {
	g := gathered{Asked: len(outcomes), Answers: make([]answer, len(outcomes))}
	for i, o := range outcomes {
		if o.Err != nil {
			g.Missing++
			g.Answers[i].Error = o.Err.Error()
			continue
		}
		g.Came++
		g.Answers[i].Status = o.Value.Status
		o.Value.Close()
	}
	return app.JSON(200, g), nil
}

// subrequest is the exchange of a request without content. Streamed content of its response is discarded.
type subrequest struct {
	parent  *app.Request
	request app.Request
}

// newSubrequest returns a GET request for target that is served in process, on behalf of r.
func newSubrequest(r *app.Request, target string) *subrequest {
	s := &subrequest{parent: r}
	s.request = app.Request{
		Method: "GET", Scheme: r.Scheme, Authority: r.Authority,
		Target: target, RawPath: target, Protocol: r.Protocol,
	}
	spi.Bind(&s.request, s, r.Conn())
	return s
}

func (s *subrequest) Loop() app.Loop                            { return s.parent.Loop() }
func (s *subrequest) Pool() app.Pool                            { return s.parent.Pool() }
func (s *subrequest) ReadBody([]byte, func()) (int, error)      { return 0, io.EOF }
func (s *subrequest) Trailers() app.Fields                      { return nil }
func (s *subrequest) Inform(int, app.Fields) error              { return nil }
func (s *subrequest) Write(p []byte, _ func()) (n int, e error) { return len(p), nil }
func (s *subrequest) Finish(app.Fields, error)                  {}
