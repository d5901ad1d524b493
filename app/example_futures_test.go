package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// answer prints the status and the content of the answer of h to a GET.
func answer(h app.Handler) {
	call := apptest.New(h).Do(apptest.Get("/"))
	fmt.Println(call.Status, strings.TrimSpace(string(call.Content)))
}

func ExampleMap() {
	answer(func(r *app.Request) app.Answer {
		number := app.Go(r, func(context.Context) (int, error) { return 6, nil })
		return app.Map(number, func(n int) (*app.Response, error) {
			return app.Text(200, fmt.Sprint(n*7)), nil
		})
	})
	// Output:
	// 200 42
}

func ExampleThen() {
	answer(func(r *app.Request) app.Answer {
		user := app.Go(r, func(ctx context.Context) (string, error) { return lookUp(ctx, "7") })
		return app.Then(user, func(name string) app.Answer {
			if name == "" {
				return app.Fail(app.Statusf(404, "no such user"))
			}
			return app.Go(r, func(ctx context.Context) (*app.Response, error) {
				friend, err := lookUp(ctx, "8")
				return app.Text(200, name+" knows "+friend), err
			})
		})
	})
	// Output:
	// 200 user 7 knows user 8
}

func ExampleCatch() {
	answer(func(r *app.Request) app.Answer {
		asked := app.Go(r, func(context.Context) (*app.Response, error) { return nil, errors.New("the database is down") })
		return app.Catch(asked, func(err error) app.Answer {
			return app.Ready(app.Text(200, "an older answer, since "+err.Error()))
		})
	})
	// Output:
	// 200 an older answer, since the database is down
}

func ExampleAll() {
	answer(func(r *app.Request) app.Answer {
		words := app.All(
			app.Go(r, func(context.Context) (string, error) { return "both", nil }),
			app.Offload(r, func(context.Context) (string, error) { return "at once", nil }),
		)
		return app.Map(words, func(words []string) (*app.Response, error) {
			return app.Text(200, strings.Join(words, " ")), nil
		})
	})
	// Output:
	// 200 both at once
}

func ExampleCollect() {
	host := apptest.New(func(r *app.Request) app.Answer {
		found := app.Collect(r, time.Second, after(r, 10*time.Millisecond, "north"), after(r, time.Hour, "south"))
		return app.Map(found, func(outcomes []app.Outcome[string]) (*app.Response, error) {
			return app.Text(200, fmt.Sprint(outcomes)), nil
		})
	})
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	fmt.Println(string(call.Content))
	// Output:
	// [{north <nil>} { app: not ready before the deadline}]
}

func ExampleTimeout() {
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Catch(app.Timeout(r, time.Second, after(r, time.Hour, app.Text(200, "late"))), func(err error) app.Answer {
			if errors.Is(err, app.ErrDeadline) {
				return app.Ready(app.Text(200, "nothing within a second"))
			}
			return app.Fail(err)
		})
	})
	call := host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	fmt.Println(string(call.Content))
	// Output:
	// nothing within a second
}

func ExampleHere() {
	// rate is one result for all requests: the first asks for it, the others wait for the same.
	var rate app.Future[int]
	asked := 0
	handler := func(r *app.Request) app.Answer {
		if asked == 0 {
			rate = after(r, time.Second, 42)
		}
		asked++
		return app.Map(app.Here(r, rate), func(n int) (*app.Response, error) { return app.Text(200, fmt.Sprint(n)), nil })
	}

	host := apptest.New(handler)
	first, second := host.Do(apptest.Get("/")), host.Do(apptest.Get("/"))
	host.Advance(time.Second)
	fmt.Println(string(first.Content), string(second.Content))
	// Output:
	// 42 42
}

func ExampleWhile() {
	answer(func(r *app.Request) app.Answer {
		n := 1
		doubled := app.While(func() app.Future[bool] {
			return app.Go(r, func(context.Context) (bool, error) { n *= 2; return n < 1000, nil })
		})
		return app.Map(doubled, func(app.Done) (*app.Response, error) { return app.Text(200, fmt.Sprint(n)), nil })
	})
	// Output:
	// 200 1024
}

func ExampleAwait() {
	answer(app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
		number, err := app.Await(r, app.Go(r, func(context.Context) (int, error) { return 42, nil }))
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(w, number)
		return err
	}))
	// Output:
	// 200 42
}

func ExamplePromised() {
	var subscribers []*app.Promise[string]
	host := apptest.New(func(r *app.Request) app.Answer {
		news, f := app.Promised[string](r)
		subscribers = append(subscribers, news)
		return app.Map(f, func(text string) (*app.Response, error) { return app.Text(200, text), nil })
	})
	call := host.Do(apptest.Get("/"))
	for _, news := range subscribers {
		news.Resolve("something has happened") // any goroutine
	}
	host.Settle()
	fmt.Println(string(call.Content))
	// Output:
	// something has happened
}

func ExampleRequest_SetValue() {
	type userKey struct{}
	signedIn := func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			r.SetValue(userKey{}, "Ada")
			return next(r)
		}
	}
	answer(signedIn(func(r *app.Request) app.Answer {
		return app.Go(r, func(ctx context.Context) (*app.Response, error) {
			return app.Text(200, fmt.Sprint(r.Value(userKey{}), " ", ctx.Value(userKey{}))), nil
		})
	}))
	// Output:
	// 200 Ada Ada
}

func ExampleRequest_Inform() {
	host := apptest.New(func(r *app.Request) app.Answer {
		if err := r.Inform(103, app.Fields{{Name: "Link", Value: "</style.css>; rel=preload; as=style"}}); err != nil {
			return app.Fail(err)
		}
		return app.Ready(app.HTML(200, "<link rel=stylesheet href=/style.css>"))
	})
	call := host.Do(apptest.Get("/"))
	fmt.Println(call.Interims[0].Status, call.Status)
	// Output:
	// 103 200
}

func ExampleWriter_Wrap() {
	// shouting makes streams upper case.
	shouting := func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			return app.Map(next(r), func(resp *app.Response) (*app.Response, error) {
				stream, ok := resp.Content.(*app.Stream)
				if !ok {
					return resp, nil
				}
				changed := *resp
				changed.Content = &app.Stream{
					Size: stream.Size,
					Produce: func(w *app.Writer) app.Future[app.Done] {
						return stream.Produce(w.Wrap(func(p []byte) app.Future[int] {
							return w.Write([]byte(strings.ToUpper(string(p))))
						}))
					},
					OnClose: func() { _ = stream.Close() },
				}
				return &changed, nil
			})
		}
	}
	answer(shouting(func(*app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return w.WriteString("hello")
		}))
	}))
	// Output:
	// 200 HELLO
}
