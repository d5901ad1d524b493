//go:build linux

// Command misbehaving has handlers with the mistakes that handlers make, and shows what becomes of each: one response, one
// line in the log, and a server that goes on.
package main

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

func main() {
	var r router.Router
	quick := r.With(middleware.Timeout(200 * time.Millisecond))

	r.HandleFunc("GET /fine", func(*app.Request) (*app.Response, error) { return app.Text(200, "fine\n"), nil })
	// 500; the reason is in the log only.
	r.HandleFunc("GET /fails", func(*app.Request) (*app.Response, error) { return nil, errors.New("the password is secret") })
	// 500, and the stack in the log.
	r.HandleFunc("GET /panics", func(*app.Request) (*app.Response, error) { panic("a mistake") })
	r.HandleFunc("GET /nothing", func(*app.Request) (*app.Response, error) { return nil, nil })
	// 503 when the time is over.
	quick.Handle("GET /forgets", func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		return never
	})
	// 503; the goroutine ends, since it looks at ctx.
	quick.Handle("GET /waits", func(r *app.Request) app.Answer {
		return app.Go(r, func(ctx context.Context) (*app.Response, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
	})
	// Meanwhile the other connections of the loop wait. The log warns after 100 ms, with the stack; after 10 s the watchdog
	// would close the connection and go on without the handler.
	r.HandleFunc("GET /blocks", func(*app.Request) (*app.Response, error) {
		time.Sleep(300 * time.Millisecond)
		return app.Text(200, "late\n"), nil
	})
	// The response is aborted, so that the peer does not take it for a complete one.
	r.HandleFunc("GET /breaks", func(*app.Request) (*app.Response, error) {
		return app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			return app.Then(w.WriteString("half of the "), func(app.Done) app.Future[app.Done] {
				return app.Complete(errors.New("the source has failed"))
			})
		}), nil
	})
	config := server.Config{Handler: r.Serve, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}
