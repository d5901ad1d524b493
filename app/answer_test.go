package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/router"
)

func ExampleSync() {
	var routes router.Router
	routes.Handle("GET /square/{n}", app.Sync(func(r *app.Request) (*app.Response, error) {
		var n int
		if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil {
			return nil, app.Statusf(400, "a number is expected")
		}
		return app.JSON(200, n*n), nil
	}))

	host := apptest.New(routes.Serve)
	for _, path := range []string{"/square/12", "/square/x"} {
		call := host.Do(apptest.Get(path))
		fmt.Print(call.Status, " ", string(call.Content))
	}
	// Output:
	// 200 144
	// 400 a number is expected
}

func ExampleGo() {
	handler := func(r *app.Request) app.Answer {
		return app.Go(r, func(ctx context.Context) (*app.Response, error) {
			name, err := lookUp(ctx, r.QueryValue("id"))
			if err != nil {
				return nil, err
			}
			return app.Text(200, name+"\n"), nil
		})
	}

	fmt.Print(string(apptest.New(handler).Do(apptest.Get("/?id=7")).Content))
	// Output:
	// user 7
}

// lookUp stands for a query of a database.
func lookUp(ctx context.Context, id string) (string, error) { return "user " + id, ctx.Err() }

func ExampleEvery() {
	handler := func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			left := 3
			return app.Every(r, time.Second, func() app.Future[app.Done] {
				if left == 0 {
					return app.Complete(io.EOF)
				}
				left--
				return w.WriteString(fmt.Sprintln(left, "left"))
			})
		}))
	}

	host := apptest.New(handler)
	call := host.Do(apptest.Get("/"))
	host.Advance(3 * time.Second)
	fmt.Print(string(call.Content), call.Complete)
	// Output:
	// 2 left
	// 1 left
	// 0 left
	// true
}

func ExampleResponse_With() {
	page := app.HTML(200, "<title>Hello</title>")
	changed := page.With("Content-Type", "text/plain").WithAdded("Set-Cookie", "a=1").WithAdded("Set-Cookie", "b=2")
	fmt.Println(changed.Fields)
	// Output:
	// [{Content-Type text/plain} {Set-Cookie a=1} {Set-Cookie b=2}]
}

func ExampleStatusError() {
	handler := app.Sync(func(*app.Request) (*app.Response, error) {
		return nil, &app.StatusError{
			Status:  409,
			Message: `{"error":"the name is taken"}`,
			Fields:  app.Fields{{Name: "Content-Type", Value: "application/json"}},
		}
	})

	call := apptest.New(handler).Do(apptest.Get("/"))
	fmt.Print(call.Status, " ", call.Header, " ", string(call.Content))
	// Output:
	// 409 [{Content-Type application/json}] {"error":"the name is taken"}
}

// A response that comes with an error is not sent, and its resources are released.
func TestSyncClosesTheResponseOfAnError(t *testing.T) {
	closed := 0
	host := apptest.New(app.Sync(func(*app.Request) (*app.Response, error) {
		resp := app.Pulled(200, "text/plain", 1, nil)
		resp.Content.(*app.Pull).OnClose = func() { closed++ }
		return resp, app.Statusf(404, "")
	}))
	host.Do(apptest.Get("/")).Want(t, 404, "Not Found\n")
	if closed != 1 {
		t.Errorf("closed %d times", closed)
	}
}

func TestFieldsOfAStatusErrorReplaceOthers(t *testing.T) {
	err := &app.StatusError{Status: 401, Fields: app.Fields{
		{Name: "content-type", Value: "text/html"}, {Name: "WWW-Authenticate", Value: "Basic"}, {Name: "www-authenticate", Value: "Bearer"},
	}}
	fields := err.Response().Fields
	if got := fields.Values("Content-Type"); len(got) != 1 || got[0] != "text/html" {
		t.Errorf("content types %q", got)
	}
	if got := fields.Values("WWW-Authenticate"); len(got) != 2 {
		t.Errorf("challenges %q", got)
	}
	if len(err.Fields) != 3 {
		t.Errorf("the error has %v", err.Fields)
	}
}

func TestWithLeavesTheOriginal(t *testing.T) {
	original := &app.Response{Status: 200, Fields: app.Fields{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}, {Name: "a", Value: "3"}}}
	if got := fmt.Sprint(original.With("a", "4").Fields); got != "[{A 4} {B 2}]" {
		t.Errorf("with: %s", got)
	}
	if got := fmt.Sprint(original.WithAdded("a", "4").Fields); got != "[{A 1} {B 2} {a 3} {a 4}]" {
		t.Errorf("with one more: %s", got)
	}
	if got := fmt.Sprint(original.Fields); got != "[{A 1} {B 2} {a 3}]" {
		t.Errorf("the original has become %s", got)
	}
}

// An answer of 413 names the limit, not what was left of it.
func TestTooLargeNamesTheLimit(t *testing.T) {
	host := apptest.New(readAll(10))
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.Send("0123456")
	call.Send("789x")
	call.Want(t, 413, "the request's content is larger than 10 bytes\n")
}

func TestEveryEndsWithItsStepOrItsRequest(t *testing.T) {
	torn := errors.New("torn")
	var ends []error
	host := apptest.New(func(r *app.Request) app.Answer {
		steps := 0
		app.Every(r, time.Second, func() app.Future[app.Done] {
			if steps++; steps == 3 && r.RawPath == "/torn" {
				return app.Complete(torn)
			}
			return app.Complete(nil)
		}).Done(func(_ app.Done, err error) { ends = append(ends, err) })
		_, never := app.Promised[*app.Response](r)
		return never
	})
	host.Do(apptest.Get("/torn"))
	endless := host.Do(apptest.Get("/endless"))
	host.Advance(time.Minute)
	if len(ends) != 1 || ends[0] != torn {
		t.Fatalf("ended with %v", ends)
	}
	endless.Leave()
	if len(ends) != 2 || ends[1] != app.ErrPeerGone {
		t.Fatalf("ended with %v", ends)
	}
	if n := host.Timers(); n != 0 {
		t.Errorf("%d timers are left", n)
	}
}

// A call that waits for the loop that it is made on would wait forever.
func TestWaitingOnTheLoopIsAnError(t *testing.T) {
	for name, wait := range map[string]func(r *app.Request) error{
		"await": func(r *app.Request) error {
			_, err := app.Await(r, app.Sleep(r, time.Second))
			return err
		},
		"read": func(r *app.Request) error {
			_, err := r.Body.Reader().Read(make([]byte, 1))
			return err
		},
	} {
		var got error
		host := apptest.New(func(r *app.Request) app.Answer {
			got = wait(r)
			return app.Fail(got)
		})
		call := host.Do(&apptest.Request{Target: "/", Open: true})
		if got != app.ErrOnLoop || call.Status != 500 {
			t.Errorf("%s: %v, status %d", name, got, call.Status)
		}
	}
}

func TestChangesAfterTheHeadAreMentioned(t *testing.T) {
	for name, c := range map[string]struct {
		late func(w *app.ResponseWriter)
		want string // in the one warning; "": none
	}{
		"status":       {func(w *app.ResponseWriter) { w.SetStatus(500) }, "SetStatus(500) after the head"},
		"added field":  {func(w *app.ResponseWriter) { w.Fields().Add("X", "y") }, "fields of a response were changed"},
		"changed":      {func(w *app.ResponseWriter) { w.Fields().Set("Early", "2") }, "fields of a response were changed"},
		"removed":      {func(w *app.ResponseWriter) { w.Fields().Del("Early") }, "fields of a response were changed"},
		"nothing":      {func(w *app.ResponseWriter) {}, ""},
		"more content": {func(w *app.ResponseWriter) { _, _ = w.WriteString("d") }, ""},
	} {
		host := blocking(func(w *app.ResponseWriter, _ *app.Request) error {
			w.Fields().Set("Content-Length", "4")
			w.Fields().Set("Early", "1")
			_, _ = w.WriteString("abc")
			if err := w.Flush(); err != nil {
				return err
			}
			c.late(w)
			if name != "more content" {
				_, _ = w.WriteString("d")
			}
			return nil
		})
		call := host.Do(apptest.Get("/"))
		call.Want(t, 200, "abcd")
		if call.Header.Get("Early") != "1" {
			t.Errorf("%s: fields %v", name, call.Header)
		}
		warnings := host.Warnings()
		if c.want == "" && len(warnings) > 0 || c.want != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], c.want)) {
			t.Errorf("%s: warnings %q", name, warnings)
		}
	}
}
