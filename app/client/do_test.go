package client_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
)

func TestRequestIsAnswered(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			resp := app.Text(200, strings.Join([]string{r.Method, r.Scheme, r.Authority, r.Target, r.Fields.Get("X")}, " "))
			return app.Ready(resp.With("Y", "z").With("Connection", "Hop").With("Hop", "1").With("Keep-Alive", "x"))
		})
		call := f.Do(apptest.Get("/a?b", "X", "y"))
		want := map[bool]string{false: "GET http backend:80 /a?b y", true: "GET https backend:80 /a?b y"}[scheme == "https" || scheme == "h2"]
		if scheme == "http" || scheme == "h2c" {
			want = "GET http backend /a?b y"
		}
		call.Want(t, 200, want)
		for _, name := range []string{"Connection", "Hop", "Keep-Alive"} {
			if call.Header.Has(name) {
				t.Errorf("the connection's field %s was passed on", name)
			}
		}
		if call.Header.Get("Y") != "z" {
			t.Errorf("got fields %v", call.Header)
		}
		if call.Length != int64(len(want)) {
			t.Errorf("got length %d", call.Length)
		}
	})
}

func TestContentAndTrailersPassBothWays(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		var seen app.Fields
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				return app.Map(app.Copy(w, r.Body), func(int64) (app.Done, error) {
					seen = r.Trailers()
					w.Trailer("Sum", "2")
					return app.Done{}, nil
				})
			}))
		})
		call := f.Do(&apptest.Request{Method: "PUT", Target: "/", Open: true})
		call.Send("one ")
		if string(call.Content) != "one " {
			t.Fatalf("got %q", call.Content)
		}
		call.Send("two")
		call.End(app.Field{Name: "Check", Value: "1"})
		call.Want(t, 200, "one two")
		if seen.Get("Check") != "1" || call.Trailer.Get("Sum") != "2" {
			t.Errorf("trailers: %v there, %v here", seen, call.Trailer)
		}
		f.Do(get("/")).Want(t, 200, "")
		want := 2 // one for content of unknown length
		if scheme == "http" {
			want = 1
		}
		f.wantConns(want)
	})
}

func TestSlowReaderStopsTheServer(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		written := 0
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			return app.Ready(app.Pulled(200, "text/plain", 1<<20, func(p []byte) (int, error) {
				written += len(p)
				return len(p), nil
			}))
		})
		call := f.Do(&apptest.Request{Target: "/", Slow: true, Room: 1000})
		if written > 200<<10 || call.Accepted() != 1000 {
			t.Errorf("%d bytes were written for %d that were taken", written, call.Accepted())
		}
	})
}

func TestSlowServerStopsTheClient(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, never)
		call := f.Do(&apptest.Request{Method: "POST", Target: "/", Open: true})
		call.Send(strings.Repeat("x", 1<<20))
		if call.Unread() < 512<<10 {
			t.Errorf("%d of 1048576 bytes were not read", call.Unread())
		}
	})
}

func TestInterimResponsesAreTold(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, func(r *app.Request) app.Answer {
		r.Inform(103, app.Fields{{Name: "Link", Value: "</a>"}})
		return hello(r)
	})
	var told []string
	f.request = func(r *app.Request, url string) *client.Request {
		return &client.Request{URL: url, OnInterim: func(status int, fields app.Fields) {
			told = append(told, fields.Get("Link"))
			r.Inform(status, fields)
		}}
	}
	call := f.Do(get("/"))
	call.Want(t, 200, "GET /")
	if len(told) != 1 || told[0] != "</a>" || len(call.Interims) != 1 || call.Interims[0].Status != 103 {
		t.Errorf("told %v, passed on %v", told, call.Interims)
	}
}

func TestHeadAndEmptyResponses(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			if r.Target == "/204" {
				return app.Ready(app.Empty(204))
			}
			return hello(r)
		})
		call := f.Do(&apptest.Request{Method: "HEAD", Target: "/x"})
		if call.Want(t, 200, ""); call.Length != 7 {
			t.Errorf("the length of GET is told as %d", call.Length)
		}
		f.Do(get("/204")).Want(t, 204, "")
		f.wantConns(1)
	})
}

func TestLimitOfContent(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			resp := app.Pulled(200, "text/plain", -1, strings.NewReader(strings.Repeat("x", 1000)).Read)
			return app.Ready(resp)
		})
		f.request = func(r *app.Request, url string) *client.Request { return &client.Request{URL: url, Limit: 999} }
		f.answer = func(resp *client.Response) app.Answer {
			return app.Map(resp.Body.ReadAll(1<<20), func(b []byte) (*app.Response, error) { return app.Blob(200, "", b), nil })
		}
		f.wantFailure(f.Do(get("/")), client.BodyLimit)
		if n := f.client; n == nil || f.backend.Conns() != nil && f.backend.Conns()[0].UnderWay() != 0 {
			t.Error("the rest is still under way")
		}
	})
}

func TestBackgroundWorkOfALoopAsks(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, hello)
		got := ""
		f.Loop(1).Post(func() {
			f.client.DoOn(f.Loop(1), &client.Request{URL: f.url + "/health"}).Done(func(resp *client.Response, err error) {
				if err != nil {
					t.Error(err)
					return
				}
				resp.Body.ReadAll(100).Done(func(b []byte, err error) { got = string(b) })
			})
		})
		f.Settle()
		if got != "GET /health" {
			t.Errorf("got %q", got)
		}
	})
}

func TestBlockingHandlersAsk(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		c := client.New(client.Options{})
		host := apptest.New(app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
			resp, err := c.DoBlocking(r, &client.Request{Method: "POST", URL: scheme + "://backend:80/x", Content: app.Bytes("abc")})
			if err != nil {
				return err
			}
			buf := make([]byte, 2)
			body := resp.Body.Reader()
			for {
				n, err := body.Read(buf)
				if err != nil {
					w.Trailer("Sum", body.Trailers().Get("Sum"))
					return nil
				}
				w.Write(buf[:n])
			}
		}))
		host.Answer("backend:80", apptest.Delay(time.Second, func(r *app.Request) app.Answer {
			return app.Ready(app.Streamed(200, "", func(w *app.Writer) app.Future[app.Done] {
				w.Trailer("Sum", "6")
				return app.Map(app.Copy(w, r.Body), func(int64) (app.Done, error) { return app.Done{}, nil })
			}))
		}))
		call := host.Do(get("/"))
		call.WantNoAnswer(t)
		host.Advance(time.Second)
		call.Want(t, 200, "abc")
		if call.Trailer.Get("Sum") != "6" {
			t.Errorf("got trailers %v", call.Trailer)
		}
	})
}

func TestInvalidURLs(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, hello)
	for _, url := range []string{"", "/x", "ftp://x/", "http:/x", "http://", "http://a@b/", "http://a b/", "http+unix:x", "h2c://x:y/"} {
		f.request = func(*app.Request, string) *client.Request { return &client.Request{URL: url} }
		f.wantFailure(f.Do(get("/")), client.ClientMalformed)
	}
}

func TestExplicitAddressesAndSockets(t *testing.T) {
	c := client.New(client.Options{})
	var origin *client.Origin
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(c.Do(r, &client.Request{Origin: origin, Target: "/t"}), func(resp *client.Response) (*app.Response, error) {
			return resp.Response(), nil
		})
	})
	where := func(name string) app.Handler {
		return func(r *app.Request) app.Answer {
			return app.Ready(app.Text(200, name+" "+r.Authority+r.Target))
		}
	}
	host.Answer("10.0.0.1:8080", where("first")).Refuse = true
	host.Answer("10.0.0.2:8080", where("second"))
	host.Answer("/run/app.sock", where("socket"))
	new := func(url string, options client.OriginOptions) {
		o, err := c.NewOrigin(url, options)
		if err != nil {
			t.Fatal(err)
		}
		origin = o
	}
	new("h2c://name:99", client.OriginOptions{Addresses: []string{"10.0.0.1:8080", "10.0.0.2:8080"}})
	host.Do(get("/")).Want(t, 200, "second name:99/t")
	new("http://name", client.OriginOptions{Resolve: func() []string { return []string{"10.0.0.2:8080"} }})
	host.Do(get("/")).Want(t, 200, "second name/t")
	new("http+unix:/run/app.sock", client.OriginOptions{})
	host.Do(get("/")).Want(t, 200, "socket localhost/t")
	new("h2c+unix:/run/app.sock", client.OriginOptions{Authority: "app.internal"})
	host.Do(get("/")).Want(t, 200, "socket app.internal/t")
	new("h2c://name", client.OriginOptions{Resolve: func() []string { return nil }})
	if call := host.Do(get("/")); call.Status != 503 {
		t.Errorf("without an address: status %d, %v", call.Status, call.Err)
	}
}

func TestClosedResponsesLeaveTheirConnection(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, hello)
		f.answer = func(resp *client.Response) app.Answer {
			resp.Close()
			return app.Ready(app.Empty(204))
		}
		for range 3 {
			f.Do(get("/")).Want(t, 204, "")
		}
		if conns := f.wantConns(1); conns[0].UnderWay() != 0 || f.backend.Dials != 1 {
			t.Errorf("%d requests are under way, after %d dials", conns[0].UnderWay(), f.backend.Dials)
		}
	})
}

// A handler may forget the response of another server: the end of its request ends that too.
func TestForgottenResponsesEndWithTheirRequest(t *testing.T) {
	each(t, func(t *testing.T, scheme string) {
		f := newFront(t, scheme, client.Options{}, func(r *app.Request) app.Answer {
			return app.Ready(app.Pulled(200, "", 1<<20, func(p []byte) (int, error) { return len(p), nil }))
		})
		f.answer = func(*client.Response) app.Answer { return app.Ready(app.Empty(204)) }
		f.Do(get("/")).Want(t, 204, "")
		for _, c := range f.backend.Conns() {
			if c.UnderWay() != 0 {
				t.Error("the response is still under way")
			}
		}
	})
}
