package app_test

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

func TestBodyRead(t *testing.T) {
	var p [8]byte
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(r.Body.Read(p[:]), func(n int) (*app.Response, error) { return text(string(p[:n])) })
	})
	host.Do(apptest.Post("/", "text/plain", "ready")).Want(t, 200, "ready")
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.WantNoAnswer(t)
	call.Send("later")
	call.Want(t, 200, "later")
}

func TestBodyReadEOF(t *testing.T) {
	var ends []error
	var p [2]byte
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(app.While(func() app.Future[bool] {
			return app.After(r.Body.Read(p[:]), func(n int, err error) app.Future[bool] {
				ends = append(ends, err)
				return app.Ready(err == nil)
			})
		}), func(app.Done) (*app.Response, error) { return text("") })
	})
	host.Do(apptest.Post("/", "text/plain", "abc"))
	if len(ends) != 3 || ends[1] != nil || ends[2] != io.EOF {
		t.Fatalf("got %v", ends)
	}
	ends = nil
	host.Do(apptest.Get("/"))
	if len(ends) != 1 || ends[0] != io.EOF {
		t.Fatalf("without content: got %v", ends)
	}
}

func TestUnreadBodyStopsPeer(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(app.Sleep(r, time.Second), func(app.Done) (*app.Response, error) { return text("") })
	})
	call := host.Do(&apptest.Request{Target: "/", Body: "begin", Open: true})
	call.Send(strings.Repeat("x", 1000))
	if call.Unread() != 1005 {
		t.Fatalf("%d bytes are unread", call.Unread())
	}
	host.Advance(time.Second)
	call.Want(t, 200, "")
}

func TestBodyReadBusy(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		var p, q [8]byte
		first := r.Body.Read(p[:])
		if _, err := r.Body.Read(q[:]).Result(); err != app.ErrBusy {
			t.Errorf("got %v", err)
		}
		return app.Map(first, func(n int) (*app.Response, error) { return text(string(p[:n])) })
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.Send("once")
	call.Want(t, 200, "once")
}

func TestBodyReadPeerLeaves(t *testing.T) {
	var failure error
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Catch(app.Map(r.Body.ReadAll(100), func([]byte) (*app.Response, error) { return text("") }),
			func(err error) app.Answer {
				failure = err
				return app.Fail(err)
			})
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.Leave()
	if failure != app.ErrPeerGone {
		t.Fatalf("got %v", failure)
	}
}

func readAll(limit int64) app.Handler {
	return func(r *app.Request) app.Answer {
		return app.Map(r.Body.ReadAll(limit), func(b []byte) (*app.Response, error) { return text(string(b)) })
	}
}

func TestReadAll(t *testing.T) {
	host := apptest.New(readAll(10))
	host.Do(apptest.Get("/")).Want(t, 200, "")
	host.Do(apptest.Post("/", "", "0123456789")).Want(t, 200, "0123456789")
	const tooLarge = "the request's content is larger than 10 bytes\n"
	host.Do(apptest.Post("/", "", "0123456789x")).Want(t, 413, tooLarge)

	call := host.Do(&apptest.Request{Target: "/", Open: true})
	for range 5 {
		call.Send("01")
		call.WantNoAnswer(t)
	}
	call.End()
	call.Want(t, 200, "0101010101")

	call = host.Do(&apptest.Request{Target: "/", Open: true})
	call.Send("0123456789x")
	call.Want(t, 413, tooLarge)

	call = host.Do(&apptest.Request{Target: "/", Open: true, Length: 11})
	call.Want(t, 413, tooLarge) // before a byte of it has come
}

func TestLongBodyNeedsNoStack(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		one := make([]byte, 1)
		return app.Map(r.Body.Each(one, func([]byte) app.Future[app.Done] { return app.Ready(app.Done{}) }),
			func(n int64) (*app.Response, error) { return text(fmt.Sprint(n)) })
	})
	host.Do(apptest.Post("/", "", strings.Repeat("x", 1<<20))).Want(t, 200, "1048576")
}

func TestDiscard(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(r.Body.Discard(), func(n int64) (*app.Response, error) { return text(fmt.Sprint(n)) })
	})
	call := host.Do(&apptest.Request{Target: "/", Body: "abc", Open: true})
	call.Send("def")
	call.End()
	call.Want(t, 200, "6")
}

func TestRequestTrailers(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(r.Body.Discard(), func(int64) (*app.Response, error) { return text(r.Trailers().Get("sum")) })
	})
	call := host.Do(&apptest.Request{Target: "/", Body: "abc", Open: true})
	call.End(app.Field{Name: "Sum", Value: "6"})
	call.Want(t, 200, "6")
}

func streamOf(produce func(w *app.Writer) app.Future[app.Done]) app.Handler {
	return func(*app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", produce))
	}
}

func TestWrite(t *testing.T) {
	var accepted []int
	host := apptest.New(streamOf(func(w *app.Writer) app.Future[app.Done] {
		return app.Map(w.Write([]byte("0123456789")), func(n int) (app.Done, error) {
			accepted = append(accepted, n)
			return app.Done{}, nil
		})
	}))
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 3})
	for _, want := range []string{"012", "345", "678"} {
		if len(accepted) > 0 {
			t.Fatal("ready before all was accepted")
		}
		if got := string(call.Take(10)); got != want {
			t.Fatalf("got %q want %q", got, want)
		}
	}
	if len(accepted) != 1 || accepted[0] != 10 {
		t.Fatalf("got %v", accepted)
	}
	call.Take(10)
	call.Want(t, 200, "0123456789")
}

func TestWriteBackpressure(t *testing.T) {
	steps := 0
	host := apptest.New(streamOf(func(w *app.Writer) app.Future[app.Done] {
		return app.While(func() app.Future[bool] {
			steps++
			return app.Map(w.WriteString("0123456789"), func(app.Done) (bool, error) { return true, nil })
		})
	}))
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 100})
	if steps != 11 {
		t.Fatalf("%d writes for room of 10", steps)
	}
	call.Take(30)
	if steps != 14 {
		t.Fatalf("%d writes, want 14", steps)
	}
	call.Leave()
}

func TestWriteBusy(t *testing.T) {
	host := apptest.New(streamOf(func(w *app.Writer) app.Future[app.Done] {
		first := w.WriteString("waits")
		if _, err := w.WriteString("too soon").Result(); err != app.ErrBusy {
			t.Errorf("got %v", err)
		}
		return first
	}))
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 1})
	call.Take(1)
	call.Take(9)
	call.Take(9)
	call.Take(9)
	call.Take(9)
	call.Want(t, 200, "waits")
}

func TestWritePeerLeaves(t *testing.T) {
	var failure error
	closed := 0
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(&app.Response{Status: 200, Content: &app.Stream{
			Size: -1,
			Produce: func(w *app.Writer) app.Future[app.Done] {
				return app.Catch(w.WriteString("waits"), func(err error) app.Future[app.Done] {
					failure = err
					return app.Failed[app.Done](err)
				})
			},
			OnClose: func() { closed++ },
		}})
	})
	call := host.Do(&apptest.Request{Target: "/", Slow: true})
	call.Leave()
	if failure != app.ErrPeerGone || closed != 1 {
		t.Fatalf("failure %v, closed %d times", failure, closed)
	}
}

func TestStreamSize(t *testing.T) {
	for content, complete := range map[string]bool{"": false, "12": false, "123": true, "1234": false} {
		host := apptest.New(func(*app.Request) app.Answer {
			return app.Ready(&app.Response{Status: 200, Content: &app.Stream{
				Size:    3,
				Produce: func(w *app.Writer) app.Future[app.Done] { return w.WriteString(content) },
			}})
		})
		call := host.Do(apptest.Get("/"))
		if call.Complete != complete || call.Aborted == complete || call.Length != 3 {
			t.Errorf("%q: complete %v", content, call.Complete)
		}
	}
}

func TestHeadDoesNotProduce(t *testing.T) {
	closed := 0
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(&app.Response{Status: 200, Content: &app.Stream{
			Size:    3,
			Produce: func(*app.Writer) app.Future[app.Done] { t.Error("produced"); return app.Ready(app.Done{}) },
			OnClose: func() { closed++ },
		}})
	})
	call := host.Do(&apptest.Request{Method: "HEAD", Target: "/"})
	if call.Length != 3 || closed != 1 {
		t.Fatalf("length %d, closed %d times", call.Length, closed)
	}
}

func TestResponseTrailers(t *testing.T) {
	host := apptest.New(streamOf(func(w *app.Writer) app.Future[app.Done] {
		w.Trailer("A", "1")
		inner := w.Wrap(func(p []byte) app.Future[int] { return w.Write([]byte(strings.ToUpper(string(p)))) })
		return app.Map(inner.WriteString("content"), func(app.Done) (app.Done, error) {
			inner.Trailer("B", "2")
			return app.Done{}, nil
		})
	}))
	call := host.Do(apptest.Get("/"))
	call.Want(t, 200, "CONTENT")
	if fmt.Sprint(call.Trailer) != "[{A 1} {B 2}]" {
		t.Fatalf("got %v", call.Trailer)
	}
}

func TestPull(t *testing.T) {
	read := 0
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(app.Pulled(200, "text/plain", 1000, func(p []byte) (int, error) {
			n := min(len(p), 1000-read)
			read += n
			if read == 1000 {
				return n, io.EOF
			}
			return n, nil
		}))
	})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 100})
	if read != 100 {
		t.Fatalf("%d bytes were read", read)
	}
	for len(call.Take(100)) > 0 {
	}
	if !call.Complete || len(call.Content) != 1000 {
		t.Fatalf("%d bytes", len(call.Content))
	}
}

func TestPullFails(t *testing.T) {
	torn := errors.New("torn")
	host := apptest.New(func(*app.Request) app.Answer {
		return app.Ready(app.Pulled(200, "text/plain", 10, func([]byte) (int, error) { return 0, torn }))
	})
	if call := host.Do(apptest.Get("/")); !call.Aborted || call.Err != torn {
		t.Fatalf("got %v", call.Err)
	}
}

func TestEarlyHints(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		if err := r.Inform(103, app.Fields{{Name: "Link", Value: "</a.css>; rel=preload"}}); err != nil {
			t.Error(err)
		}
		for _, status := range []int{99, 101, 200} {
			if r.Inform(status, nil) == nil {
				t.Errorf("%d passes for an interim status", status)
			}
		}
		return app.Ready(app.Text(200, ""))
	})
	call := host.Do(apptest.Get("/"))
	if len(call.Interims) != 1 || call.Interims[0].Status != 103 || call.Interims[0].Fields[0].Name != "Link" {
		t.Fatalf("got %v", call.Interims)
	}
}

func TestResponses(t *testing.T) {
	for name, c := range map[string]struct {
		resp                 *app.Response
		status               int
		content, contentType string
	}{
		"text":     {app.Text(201, "x"), 201, "x", "text/plain; charset=utf-8"},
		"html":     {app.HTML(200, "<p>"), 200, "<p>", "text/html; charset=utf-8"},
		"json":     {app.JSON(200, map[string]int{"a": 1}), 200, "{\"a\":1}\n", "application/json"},
		"blob":     {app.Blob(200, "image/png", []byte{1}), 200, "\x01", "image/png"},
		"empty":    {app.Empty(204), 204, "", ""},
		"redirect": {app.Redirect(303, "/there"), 303, "/there\n", "text/plain; charset=utf-8"},
		"error":    {app.Error(404, ""), 404, "Not Found\n", "text/plain; charset=utf-8"},
		"odd":      {app.Error(599, ""), 599, "599\n", "text/plain; charset=utf-8"},
		"failure":  {app.ErrorResponse(errors.New("secret")), 500, "Internal Server Error\n", "text/plain; charset=utf-8"},
		"status":   {app.ErrorResponse(fmt.Errorf("why: %w", app.Statusf(422, "no %s", "x"))), 422, "no x\n", "text/plain; charset=utf-8"},
		"left":     {app.ErrorResponse(fmt.Errorf("why: %w", app.ErrHalfClosed)), 503, "the request was cancelled\n", "text/plain; charset=utf-8"},
		"full":     {app.ErrorResponse(app.ErrPoolFull), 503, "too busy, try again\n", "text/plain; charset=utf-8"},
	} {
		host := apptest.New(func(*app.Request) app.Answer { return app.Ready(c.resp) })
		call := host.Do(apptest.Get("/"))
		if call.Status != c.status || string(call.Content) != c.content || call.Header.Get("Content-Type") != c.contentType {
			t.Errorf("%s: got %d %q %v", name, call.Status, call.Content, call.Header)
		}
	}
	if app.Redirect(303, "/there").Fields.Get("Location") != "/there" {
		t.Error("no Location")
	}
}

// Content that fits the first buffer takes no larger one, also where it fills it.
func TestShortContentTakesLittleMemory(t *testing.T) {
	ways := map[string]app.Handler{
		"Discard": func(r *app.Request) app.Answer {
			return app.Map(r.Body.Discard(), func(n int64) (*app.Response, error) { return text(fmt.Sprint(n)) })
		},
		"ReadAll": func(r *app.Request) app.Answer {
			return app.Map(r.Body.ReadAll(1<<20), func(p []byte) (*app.Response, error) { return text(fmt.Sprint(len(p))) })
		},
	}
	for name, handler := range ways {
		t.Run(name, func(t *testing.T) {
			host := apptest.New(handler)
			content := strings.Repeat("c", 1<<10)
			const times = 200
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range times {
				host.Do(apptest.Post("/", "text/plain", content)).Want(t, 200, "1024")
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 20<<10 {
				t.Errorf("%d bytes for each request, want less than one buffer of 32 KiB", each)
			}
		})
	}
}
