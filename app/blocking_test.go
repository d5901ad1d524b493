package app_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

func blocking(serve func(w *app.ResponseWriter, r *app.Request) error) *apptest.Host {
	return apptest.New(app.Blocking(serve))
}

// settled runs settle until holds reports true, for at most a minute. A goroutine whose context has ended may
// run while the host counts it as waiting.
func settled(t *testing.T, settle func(), holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("not so after a minute")
		}
		settle()
	}
}

func TestBlockingSmallResponse(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		w.Fields().Set("Content-Type", "text/x")
		w.SetStatus(201)
		io.WriteString(w, "hello, ")
		fmt.Fprintf(w, "%s", r.Path())
		w.Fields().Set("X-Late", "still in time")
		return nil
	})
	call := host.Do(apptest.Get("/you"))
	call.Want(t, 201, "hello, /you")
	if call.Length != 11 || call.Header.Get("Content-Type") != "text/x" || call.Header.Get("X-Late") == "" {
		t.Fatalf("length %d, fields %v", call.Length, call.Header)
	}
	if host.Goroutines() != 0 {
		t.Fatal("the goroutine is still there")
	}
}

func TestBlockingWritesNothing(t *testing.T) {
	call := blocking(func(*app.ResponseWriter, *app.Request) error { return nil }).Do(apptest.Get("/"))
	call.Want(t, 200, "")
	if call.Length != 0 {
		t.Fatalf("length %d", call.Length)
	}
}

func TestBlockingLargeResponse(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 10000)
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		n, err := io.Copy(w, strings.NewReader(long))
		if n != int64(len(long)) {
			t.Errorf("wrote %d", n)
		}
		w.Fields().Set("X-Late", "too late")
		w.SetStatus(500)
		return err
	})
	call := host.Do(apptest.Get("/"))
	call.Want(t, 200, long)
	if call.Length != -1 || call.Header.Has("X-Late") {
		t.Fatalf("length %d, fields %v", call.Length, call.Header)
	}
}

func TestBlockingDeclaredLength(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		w.Fields().Set("Content-Length", "10000")
		_, err := io.WriteString(w, strings.Repeat("x", 10000))
		return err
	})
	call := host.Do(apptest.Get("/"))
	call.Want(t, 200, strings.Repeat("x", 10000))
	if call.Length != 10000 || call.Header.Has("Content-Length") {
		t.Fatalf("length %d, fields %v", call.Length, call.Header)
	}
}

func TestBlockingFlush(t *testing.T) {
	more := make(chan string)
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		w.Flush()
		for s := range more {
			io.WriteString(w, s)
			if err := w.Flush(); err != nil {
				return err
			}
		}
		w.Trailer("Sum", "6")
		return nil
	})
	call := host.Start(apptest.Get("/"))
	settled(t, host.SettleLoops, func() bool { return call.Status != 0 })
	if call.Status != 200 || len(call.Content) > 0 {
		t.Fatalf("got %d %q", call.Status, call.Content)
	}
	for _, s := range []string{"abc", "def"} {
		more <- s
		settled(t, host.SettleLoops, func() bool { return strings.HasSuffix(string(call.Content), s) })
	}
	close(more)
	host.Settle()
	call.Want(t, 200, "abcdef")
	if call.Trailer.Get("Sum") != "6" {
		t.Fatalf("trailers %v", call.Trailer)
	}
}

func TestBlockingTrailers(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		w.WriteString("x")
		w.Trailer("Sum", "1")
		return nil
	})
	call := host.Do(apptest.Get("/"))
	call.Want(t, 200, "x")
	if call.Trailer.Get("Sum") != "1" {
		t.Fatalf("trailers %v", call.Trailer)
	}
}

func TestBlockingWriteBackpressure(t *testing.T) {
	written := 0
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		for written < 1000000 {
			n, err := w.Write(make([]byte, 1000))
			if err != nil {
				return err
			}
			written += n
		}
		return nil
	})
	call := host.Do(&apptest.Request{Target: "/", Slow: true, Room: 1000})
	for len(call.Take(1000)) > 0 {
		if ahead := written - len(call.Content); ahead > 64<<10 {
			t.Fatalf("the handler is %d bytes ahead of the peer", ahead)
		}
	}
	if !call.Complete || len(call.Content) != 1000000 {
		t.Fatalf("%d bytes, %v", len(call.Content), call.Err)
	}
}

func TestBlockingReadWaits(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		body := r.Body.Reader()
		n, err := io.Copy(w, body)
		fmt.Fprintf(w, " %d %v", n, body.Trailers())
		return err
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.WantNoAnswer(t)
	for range 3 {
		call.Send("abc")
		call.WantNoAnswer(t)
	}
	call.End(app.Field{Name: "Sum", Value: "9"})
	call.Want(t, 200, "abcabcabc 9 [{Sum 9}]")
}

func TestBlockingErrorIsResponse(t *testing.T) {
	call := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		w.WriteString("not sent")
		return app.Statusf(409, "a conflict")
	}).Do(apptest.Get("/"))
	call.Want(t, 409, "a conflict\n")
}

func TestBlockingErrorAfterHeadAborts(t *testing.T) {
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("torn") },
		"panic": func() error { panic("torn") },
	} {
		host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
			w.WriteString("begin")
			w.Flush()
			return fail()
		})
		call := host.Do(apptest.Get("/"))
		if call.Status != 200 || string(call.Content) != "begin" || !call.Aborted || call.Err == nil {
			t.Errorf("%s: got %d %q, aborted %v", name, call.Status, call.Content, call.Aborted)
		}
	}
}

func TestBlockingPeerLeaves(t *testing.T) {
	for name, serve := range map[string]func(w *app.ResponseWriter, r *app.Request) error{
		"reading": func(w *app.ResponseWriter, r *app.Request) error {
			_, err := io.ReadAll(r.Body.Reader())
			return err
		},
		"writing": func(w *app.ResponseWriter, r *app.Request) error {
			for {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return err
				}
			}
		},
		"awaiting": func(w *app.ResponseWriter, r *app.Request) error {
			_, f := app.Promised[int](r)
			_, err := app.Await(r, f)
			return err
		},
		"the context": func(w *app.ResponseWriter, r *app.Request) error {
			<-r.Context().Done()
			return r.Context().Err()
		},
	} {
		ended := make(chan error, 1)
		host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
			err := serve(w, r)
			ended <- err
			return err
		})
		call := host.Start(&apptest.Request{Target: "/", Open: true, Slow: true})
		call.Leave()
		if err := <-ended; err == nil {
			t.Errorf("%s: no error", name)
		}
		host.Settle()
	}
}

func TestBlockingDeadline(t *testing.T) {
	var failure error
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		_, failure = r.Body.Reader().Read(make([]byte, 1))
		_, again := w.WriteString("late")
		if again == nil {
			again = w.Flush()
		}
		if again != failure {
			t.Errorf("writing fails with %v", again)
		}
		return failure
	})
	host.Timeout = time.Second
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	host.Advance(time.Second)
	settled(t, host.Settle, func() bool { return host.Goroutines() == 0 })
	call.Want(t, 503, "no answer in time\n")
	if failure != app.ErrDeadline {
		t.Fatalf("got %v", failure)
	}
}

func TestBlockingHalfClosedPeer(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		if _, err := io.ReadAll(r.Body.Reader()); err != nil {
			return err
		}
		w.WriteString("still")
		return w.Flush()
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.HalfClose()
	call.End()
	call.Want(t, 200, "still")
}

func TestBlockingReadWriteDeadlines(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		body := r.Body.Reader()
		body.SetDeadline(r.Arrived.Add(time.Second))
		p := make([]byte, 10)
		if _, err := body.Read(p); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("reading: got %v", err)
		}
		body.SetDeadline(time.Time{})
		n, err := body.Read(p)
		if err != nil || string(p[:n]) != "late" {
			t.Errorf("reading again: got %q %v", p[:n], err)
		}
		w.SetDeadline(r.Arrived.Add(3 * time.Second))
		for err == nil {
			_, err = w.Write(make([]byte, 1000))
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("writing: got %v", err)
		}
		return err
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true, Slow: true, Room: 100})
	host.Advance(2 * time.Second)
	call.Send("late")
	if call.Status != 200 {
		t.Fatalf("got %d", call.Status)
	}
	host.Advance(2 * time.Second)
	if host.Goroutines() != 0 {
		t.Fatal(host)
	}
	call.Leave()
}

func TestAwait(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		all, err := app.Await(r, app.All(app.Ready(1), after(r, time.Second, 2)))
		fmt.Fprint(w, all)
		return err
	})
	call := host.Do(apptest.Get("/"))
	call.WantNoAnswer(t)
	host.Advance(time.Second)
	call.Want(t, 200, "[1 2]")
}

func TestBlockingInform(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		return w.Inform(103, app.Fields{{Name: "Link", Value: "</x>"}})
	})
	call := host.Do(apptest.Get("/"))
	if len(call.Interims) != 1 || call.Status != 200 {
		t.Fatalf("got %v, %d", call.Interims, call.Status)
	}
}

func TestBlockingHead(t *testing.T) {
	for target, length := range map[string]int64{"/small": 5, "/declared": 12345, "/long": -1} {
		host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
			switch r.Path() {
			case "/small":
				w.WriteString("small")
			case "/declared":
				w.Fields().Set("Content-Length", "12345")
			case "/long":
				for range 100 {
					if _, err := w.Write(make([]byte, 1000)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		call := host.Do(&apptest.Request{Method: "HEAD", Target: target})
		if call.Status != 200 || !call.Complete || call.Length != length || host.Goroutines() != 0 {
			t.Errorf("%s: got %d, length %d, complete %v", target, call.Status, call.Length, call.Complete)
		}
	}
}

func TestBlockingStatusWithoutContent(t *testing.T) {
	host := blocking(func(w *app.ResponseWriter, r *app.Request) error {
		w.SetStatus(204)
		if _, err := w.WriteString("x"); err != app.ErrNoContentAllowed {
			t.Errorf("got %v", err)
		}
		return nil
	})
	host.Do(apptest.Get("/")).Want(t, 204, "")
}

func TestBlockingResponseDropped(t *testing.T) {
	var failure error
	inner := app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		for failure == nil {
			_, failure = w.Write(make([]byte, 1000))
		}
		return failure
	})
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(inner(r), func(resp *app.Response) (*app.Response, error) {
			resp.Close()
			return app.Text(200, "another"), nil
		})
	})
	host.Do(apptest.Get("/")).Want(t, 200, "another")
	if host.Goroutines() != 0 || failure == nil {
		t.Fatalf("%s, %v", host, failure)
	}
}

func TestBodyReaderOnThePool(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Map(app.Offload(r, func(context.Context) ([]byte, error) { return io.ReadAll(r.Body.Reader()) }),
			func(b []byte) (*app.Response, error) { return text(string(b)) })
	})
	call := host.Do(&apptest.Request{Target: "/", Open: true})
	call.Send("abc")
	call.End()
	call.Want(t, 200, "abc")
}
