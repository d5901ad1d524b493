package target

import (
	"fmt"

	"github.com/gatewheel/gatewheel/app"
)

const (
	// maxEchoAfter is the largest content that /echo?after=1 holds, in bytes.
	maxEchoAfter = 16 << 20
	// maxHeld bounds the content that all such requests hold together, in bytes.
	maxHeld = 256 << 20
)

// echo sends the request's content back while it arrives, or with ?after=1 once it is complete, for clients that do
// not read while they send.
func (t *target) echo(r *app.Request) app.Answer {
	p := params{r: r}
	after := p.flag("after")
	if p.err != nil {
		return p.refusal()
	}
	if after {
		return t.echoAfter(r)
	}
	resp := app.Streamed(200, contentType(r), func(w *app.Writer) app.Future[app.Done] {
		return app.Map(app.Copy(w, r.Body), func(int64) (app.Done, error) { return app.Done{}, nil })
	})
	resp.Content.(*app.Stream).Size = r.ContentLength
	return app.Ready(resp)
}

func contentType(r *app.Request) string {
	if kind := r.Fields.Get("Content-Type"); kind != "" {
		return kind
	}
	return octets
}

var noRoom = app.Statusf(503, "all requests together hold %d bytes for /echo?after=1 at most", maxHeld)

// echoAfter answers once the content is complete.
func (t *target) echoAfter(r *app.Request) app.Answer {
	if r.ContentLength > maxEchoAfter {
		return app.Fail(tooMuch())
	}
	var held []byte
	release := func() { t.held.Add(-int64(len(held))) }
	whole := r.Body.Each(nil, func(p []byte) app.Future[app.Done] {
		if len(held)+len(p) > maxEchoAfter {
			return app.Failed[app.Done](tooMuch())
		}
		if t.held.Add(int64(len(p))) > maxHeld {
			t.held.Add(-int64(len(p)))
			return app.Failed[app.Done](noRoom)
		}
		held = append(held, p...)
		return app.Ready(app.Done{})
	})
	answer := app.Map(whole, func(n int64) (*app.Response, error) {
		resp := app.Streamed(200, contentType(r), func(w *app.Writer) app.Future[app.Done] { return w.WriteAll(held) })
		content := resp.Content.(*app.Stream)
		content.Size, content.OnClose = n, release
		return resp, nil
	})
	return app.Catch(answer, func(err error) app.Answer {
		release()
		return app.Fail(err)
	})
}

func tooMuch() error {
	return &app.StatusError{Status: 413, Message: fmt.Sprintf("/echo?after=1 takes %d bytes at most", maxEchoAfter)}
}
