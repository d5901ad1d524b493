package rival

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/valyala/fasthttp"
)

// The fan-out servers answer each request over HTTP/1.1 with Content, after they have asked each
// of o.Backends and got Content from all, and with 502 otherwise.

// fanoutGatewheel asks with app/client, on one loop.
func fanoutGatewheel(o Options) error {
	c := client.New(client.Options{})
	requests := make([]*client.Request, len(o.Backends))
	for i, url := range o.Backends {
		origin, err := c.NewOrigin(url, client.OriginOptions{})
		if err != nil {
			return err
		}
		requests[i] = &client.Request{Origin: origin, Target: "/"}
	}
	hello := app.Text(200, Content)
	handler := func(r *app.Request) app.Answer {
		contents := make([]app.Future[[]byte], len(requests))
		for i, request := range requests {
			contents[i] = app.Then(c.Do(r, request), readOK)
		}
		return app.Map(app.All(contents...), func(all [][]byte) (*app.Response, error) {
			for _, b := range all {
				if string(b) != Content {
					return nil, app.Statusf(502, "a backend has answered %q", b)
				}
			}
			return hello, nil
		})
	}
	return serveLoop(handler, []string{o.Address}, nil)
}

func readOK(resp *client.Response) app.Future[[]byte] {
	if resp.Status != 200 {
		resp.Close()
		return app.Failed[[]byte](app.Statusf(502, "a backend has answered %d", resp.Status))
	}
	return resp.Body.ReadAll(1 << 10)
}

// fanoutNetHTTP is a server of net/http that asks with its client. A transport keeps two idle
// connections to a host by default; here it keeps as many as there are clients.
func fanoutNetHTTP(o Options) error {
	transport := &http.Transport{Protocols: o.clientProtocols(), MaxIdleConnsPerHost: 1000, DisableCompression: true}
	asking := &http.Client{Transport: transport}
	urls := o.goURLs()
	ask := func(ctx context.Context, url string) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := asking.Do(request)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err == nil && (response.StatusCode != 200 || string(content) != Content) {
			err = fmt.Errorf("%s has answered %d", url, response.StatusCode)
		}
		return err
	}
	return http.ListenAndServe(o.Address, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := together(urls, func(url string) error { return ask(r.Context(), url) })
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		hello(w, r)
	}))
}

// fanoutFastHTTP is a server of fasthttp that asks with its client.
func fanoutFastHTTP(o Options) error {
	if o.Upstream != "h1" {
		return unspoken("fasthttp's client", o.Upstream)
	}
	asking := &fasthttp.Client{MaxConnsPerHost: 1000, NoDefaultUserAgentHeader: true, ReadTimeout: 20 * time.Second}
	urls := o.goURLs()
	ask := func(url string) error {
		request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(request)
		defer fasthttp.ReleaseResponse(response)
		request.SetRequestURI(url)
		if err := asking.Do(request, response); err != nil {
			return err
		}
		if response.StatusCode() != 200 || string(response.Body()) != Content {
			return fmt.Errorf("%s has answered %d", url, response.StatusCode())
		}
		return nil
	}
	s := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(c *fasthttp.RequestCtx) {
		if err := together(urls, ask); err != nil {
			c.Error(err.Error(), http.StatusBadGateway)
			return
		}
		c.SetContentType("text/plain")
		c.SetBodyString(Content)
	}}
	return s.ListenAndServe(o.Address)
}

// together calls ask for all URLs at once, each in a goroutine of its own, as Go programs do.
func together(urls []string, ask func(url string) error) error {
	errs := make(chan error, len(urls))
	for _, url := range urls {
		go func() { errs <- ask(url) }()
	}
	var all error
	for range urls {
		all = errors.Join(all, <-errs)
	}
	return all
}
