package app_test

import (
	"errors"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// echoPull answers with the content of the request.
func echoPull(r *app.Request) app.Answer {
	return app.Ready(&app.Response{Status: 200, Content: r.Body.Pull()})
}

func TestBodyPullPassesContentAndTrailers(t *testing.T) {
	host := apptest.New(echoPull)
	call := host.Do(apptest.Post("/", "text/plain", "whole"))
	call.Want(t, 200, "whole")
	if call.Length != 5 {
		t.Errorf("the length is %d", call.Length)
	}
	call = host.Do(&apptest.Request{Target: "/", Open: true})
	if call.Status != 200 || call.Length != -1 || call.Complete {
		t.Fatalf("status %d, length %d", call.Status, call.Length)
	}
	call.Send("a")
	call.Send("b")
	if string(call.Content) != "ab" {
		t.Fatalf("got %q", call.Content)
	}
	call.End(app.Field{Name: "Digest", Value: "x"})
	call.Want(t, 200, "ab")
	if call.Trailer.Get("Digest") != "x" {
		t.Errorf("got trailers %v", call.Trailer)
	}
}

func TestBodyPullStopsThePeer(t *testing.T) {
	host := apptest.New(echoPull)
	call := host.Do(&apptest.Request{Target: "/", Open: true, Slow: true, Room: 3})
	call.Send("abcdef")
	if call.Accepted() != 3 || call.Unread() != 3 {
		t.Fatalf("%d bytes were accepted, %d are unread", call.Accepted(), call.Unread())
	}
	call.Take(2)
	if call.Accepted() != 3 || call.Unread() != 1 {
		t.Fatalf("%d bytes were accepted, %d are unread", call.Accepted(), call.Unread())
	}
}

func TestBodyPullOfTheRest(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		first := make([]byte, 2)
		return app.Then(r.Body.Read(first), func(int) app.Answer { return echoPull(r) })
	})
	call := host.Do(apptest.Post("/", "text/plain", "abcde"))
	call.Want(t, 200, "cde")
	if call.Length != -1 {
		t.Errorf("the length of the rest is told as %d", call.Length)
	}
}

func TestBodyPullFails(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		r.Body.Limit(4)
		return echoPull(r)
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.Send("abc")
	call.Send("def")
	var tooLong *app.StatusError
	if !call.Aborted || !errors.As(call.Err, &tooLong) || tooLong.Status != 413 {
		t.Errorf("beyond the limit: %v", call.Err)
	}
	host = apptest.New(func(r *app.Request) app.Answer {
		r.Body.Read(make([]byte, 1))
		return echoPull(r)
	})
	call = host.Do(&apptest.Request{Target: "/", Open: true})
	if !call.Aborted || call.Err != app.ErrBusy {
		t.Errorf("during a pending Read: %v", call.Err)
	}
}
