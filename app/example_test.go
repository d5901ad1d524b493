package app_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
)

// What stands in docs/handlers.md is copied from here; a test compares.

func hello(r *app.Request) (*app.Response, error) {
	return app.Text(200, "hello, "+r.PathValue("name")+"\n"), nil
}

func Example_router() {
	var routes router.Router
	routes.HandleFunc("GET /hello/{name}", hello)
	routes.Handle("POST /orders", createOrder)

	host := apptest.New(routes.Serve)
	fmt.Print(string(host.Do(apptest.Get("/hello/world")).Content))
	fmt.Println(host.Do(apptest.Get("/orders")).Header.Get("Allow"))
	// Output:
	// hello, world
	// POST
}

type order struct {
	Item  string `json:"item"`
	Count int    `json:"count"`
}

func createOrder(r *app.Request) app.Answer {
	return app.Then(r.Body.ReadAll(64<<10), func(body []byte) app.Answer {
		var o order
		if err := json.Unmarshal(body, &o); err != nil {
			return app.Fail(app.Statusf(400, "the order is not JSON: %v", err))
		}
		return app.Go(r, func(ctx context.Context) (*app.Response, error) {
			id, err := store(ctx, o)
			if err != nil {
				return nil, err
			}
			return app.JSON(201, map[string]string{"id": id}), nil
		})
	})
}

// store stands for a database.
func store(ctx context.Context, o order) (string, error) {
	return fmt.Sprintf("%s-%d", o.Item, o.Count), ctx.Err()
}

func Example_content() {
	host := apptest.New(createOrder)
	for _, body := range []string{`{"item":"tea","count":3}`, `tea`} {
		call := host.Do(apptest.Post("/orders", "application/json", body))
		fmt.Print(call.Status, " ", string(call.Content))
	}
	// Output:
	// 201 {"id":"tea-3"}
	// 400 the order is not JSON: invalid character 'e' in literal true (expecting 'r')
}

// queue stands for anything with goroutines of its own, such as a message bus.
type queue struct{ replies chan func(string) }

func (q *queue) ask(question string, reply func(string)) { q.replies <- reply }

func asks(q *queue) app.Handler {
	return func(r *app.Request) app.Answer {
		answer, arrived := app.Promised[string](r)
		q.ask("what time is it?", func(reply string) {
			answer.Resolve(reply) // any goroutine
		})
		return app.Map(arrived, func(reply string) (*app.Response, error) {
			return app.Text(200, reply), nil // the request's own loop
		})
	}
}

func Example_promise() {
	q := &queue{replies: make(chan func(string), 1)}
	host := apptest.New(asks(q))
	call := host.Do(apptest.Get("/"))
	fmt.Println(call.Status)
	(<-q.replies)("noon")
	host.Settle()
	fmt.Println(call.Status, string(call.Content))
	// Output:
	// 0
	// 200 noon
}

// poll answers with news, or without when the server drains, so that the client asks again, elsewhere.
func poll(listen func(told func(news string))) app.Handler {
	return func(r *app.Request) app.Answer {
		answer, f := app.Promised[*app.Response](r)
		listen(func(news string) { answer.Resolve(app.Text(200, news)) })
		r.Draining().Done(func(_ app.Done, err error) {
			if err == nil {
				answer.Resolve(app.Empty(204))
			}
		})
		return f
	}
}

func Example_draining() {
	host := apptest.New(poll(func(func(string)) {}))
	call := host.Do(apptest.Get("/"))
	fmt.Println(call.Status)
	host.Drain()
	fmt.Println(call.Status)
	// Output:
	// 0
	// 204
}

var shops = client.New(client.Options{})

func prices(r *app.Request) app.Answer {
	names := []string{"north", "south", "east"}
	asked := make([]app.Future[int], len(names))
	for i, name := range names {
		answer := shops.Do(r, &client.Request{URL: "h2c://" + name + ".shops.internal:8080/price"})
		asked[i] = app.Then(answer, price)
	}
	return app.Map(app.Collect(r, 200*time.Millisecond, asked...),
		func(outcomes []app.Outcome[int]) (*app.Response, error) {
			found := map[string]int{}
			for i, o := range outcomes {
				if o.Err == nil {
					found[names[i]] = o.Value
				}
			}
			return app.JSON(200, found), nil
		})
}

func price(resp *client.Response) app.Future[int] {
	return app.Map(resp.Body.ReadAll(100), func(b []byte) (int, error) { return strconv.Atoi(string(b)) })
}

func Example_fanOut() {
	host := apptest.New(prices)
	for name, d := range map[string]time.Duration{"north": 10 * time.Millisecond, "south": time.Hour, "east": 0} {
		host.Answer(name+".shops.internal:8080", apptest.Delay(d, func(*app.Request) app.Answer {
			return app.Ready(app.Text(200, strconv.Itoa(len(name))))
		}))
	}
	call := host.Do(apptest.Get("/"))
	host.Advance(200 * time.Millisecond)
	fmt.Print(string(call.Content))
	// Output:
	// {"east":4,"north":5}
}

func checksum(r *app.Request) app.Answer {
	hash := sha256.New()
	read := r.Body.Each(nil, func(p []byte) app.Future[app.Done] {
		_, err := hash.Write(p)
		return app.Complete(err)
	})
	return app.Map(read, func(n int64) (*app.Response, error) {
		return app.Text(200, fmt.Sprintf("%d bytes, %x\n", n, hash.Sum(nil)[:4])), nil
	})
}

func Example_upload() {
	call := apptest.New(checksum).Do(apptest.Post("/", "text/plain", strings.Repeat("x", 100000)))
	fmt.Print(string(call.Content))
	// Output:
	// 100000 bytes, d69e6898
}

func clock(r *app.Request) app.Answer {
	return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
		ticks := 0
		return app.Every(r, time.Second, func() app.Future[app.Done] {
			if ticks == 3 {
				return app.Complete(io.EOF)
			}
			ticks++
			return w.WriteString(fmt.Sprintf("tick %d\n", ticks))
		})
	}))
}

func Example_stream() {
	host := apptest.New(clock)
	call := host.Do(apptest.Get("/"))
	fmt.Print(string(call.Content))
	host.Advance(3 * time.Second)
	fmt.Print(string(call.Content), call.Complete)
	// Output:
	// tick 1
	// tick 1
	// tick 2
	// tick 3
	// true
}

var upper = app.Blocking(func(w *app.ResponseWriter, r *app.Request) error {
	w.Fields().Set("Content-Type", "text/plain")
	buf := make([]byte, 4096)
	for body := r.Body.Reader(); ; {
		n, err := body.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := w.WriteString(strings.ToUpper(string(buf[:n]))); err != nil {
			return err
		}
	}
})

func Example_blocking() {
	call := apptest.New(upper).Do(apptest.Post("/", "text/plain", "quietly"))
	fmt.Println(string(call.Content))
	// Output:
	// QUIETLY
}

// logged calls log for each request with what became of it.
func logged(log func(line string)) app.Middleware {
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			return app.After(next.Try(r), func(resp *app.Response, err error) app.Answer {
				if err != nil {
					log(fmt.Sprint(r.Method, " ", r.Target, ": ", app.ErrorResponse(err).Status, ", ", err))
					return app.Fail(err)
				}
				log(fmt.Sprint(r.Method, " ", r.Target, ": ", resp.Status))
				return app.Ready(resp)
			})
		}
	}
}

func Example_middleware() {
	log := func(line string) { fmt.Println(line) }
	handler := middleware.Chain(createOrder,
		logged(log),
		middleware.RequestID,
		compress.New(compress.Options{}),
		middleware.LimitBody(1<<20),
		middleware.Timeout(5*time.Second),
	)
	call := apptest.New(handler).Do(apptest.Post("/orders", "application/json", `{"item":"tea"}`))
	fmt.Println(len(call.Header.Get("X-Request-Id")))
	// Output:
	// POST /orders: 201
	// 32
}

func Example_test() {
	patient := middleware.Timeout(time.Minute)(func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		return never
	})

	host := apptest.New(patient)
	call := host.Do(apptest.Get("/"))
	host.Advance(59 * time.Second)
	fmt.Println(call.Status)
	host.Advance(time.Second)
	fmt.Println(call.Status)
	// Output:
	// 0
	// 503
}
