package target

import (
	"io"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// maxFanout bounds n.
const maxFanout = 1000

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

// fanout asks itself n times for /delay and answers with what came in time.
func (t *target) fanout(r *app.Request) app.Future[*app.Response] {
	p := params{r: r}
	n := p.number("n", 10, 1, maxFanout)
	dist := p.durations("delay", "0s")
	deadline := p.duration("deadline", time.Second)
	if p.err != nil {
		return p.refusal()
	}
	ask := t.config.Ask
	if ask == nil {
		limit := waits(r, deadline)
		ask = func(r *app.Request, target string) app.Future[*app.Response] { return t.ask(r, target, limit) }
	}
	calls := make([]app.Future[*app.Response], n)
	for i := range calls {
		calls[i] = ask(r, "/delay/"+dist.pick().String())
	}
	return app.Map(app.Collect(r, deadline, calls...), report)
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

// waits is how long answers are of use to r, which takes none behind the deadline:
// what is not waited for is not to be held either.
func waits(r *app.Request, deadline time.Duration) time.Duration {
	if own := r.Deadline(); !own.IsZero() {
		deadline = min(deadline, own.Sub(r.Loop().Now()))
	}
	return max(deadline, 1)
}

// ask serves a request of its own, in process, that has so much time.
func (t *target) ask(r *app.Request, target string, limit time.Duration) app.Future[*app.Response] {
	sub := &subrequest{parent: r}
	sub.request = app.Request{
		Method: "GET", Scheme: r.Scheme, Authority: r.Authority,
		Target: target, RawPath: target, Protocol: r.Protocol,
	}
	sub.request.Bind(sub, r.Conn())
	return app.Run(t.serve, &sub.request, limit)
}

// subrequest is the exchange of a request without content whose response nobody
// streams: a Stream's bytes are dropped.
type subrequest struct {
	parent  *app.Request
	request app.Request
}

func (s *subrequest) Loop() app.Loop                            { return s.parent.Loop() }
func (s *subrequest) Pool() app.Pool                            { return s.parent.Pool() }
func (s *subrequest) ReadBody([]byte, func()) (int, error)      { return 0, io.EOF }
func (s *subrequest) Trailers() app.Fields                      { return nil }
func (s *subrequest) Inform(int, app.Fields) error              { return nil }
func (s *subrequest) Write(p []byte, _ func()) (n int, e error) { return len(p), nil }
func (s *subrequest) Finish(app.Fields, error)                  {}
