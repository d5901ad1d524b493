// Command misbehaving is examples/misbehaving with net/http and chi.
package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/gatewheel/gatewheel/examples/internal/address"
)

func main() {
	r := chi.NewRouter()
	r.Use(middleware.Logger, middleware.Recoverer)
	quick := r.With(func(next http.Handler) http.Handler {
		return http.TimeoutHandler(next, 200*time.Millisecond, "too slow\n")
	})

	r.Get("/fine", answer(func(*http.Request) (string, error) { return "fine\n", nil }))
	// 500; the reason is in the log only.
	r.Get("/fails", answer(func(*http.Request) (string, error) { return "", errors.New("the password is secret") }))
	// 500, and the stack in the log.
	r.Get("/panics", answer(func(*http.Request) (string, error) { panic("a mistake") }))
	r.Get("/nothing", answer(func(*http.Request) (string, error) { return "", errors.New("there is no response") }))
	// 503 when the time is over; the goroutine stays for ever.
	quick.Get("/forgets", func(http.ResponseWriter, *http.Request) { select {} })
	// 503; the goroutine ends, since it looks at the context.
	quick.Get("/waits", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	// Nobody else waits: each connection has a goroutine.
	r.Get("/blocks", answer(func(*http.Request) (string, error) {
		time.Sleep(300 * time.Millisecond)
		return "late\n", nil
	}))
	// The response is aborted, so that the peer does not take it for a complete one.
	r.Get("/breaks", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of the ")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	log.Fatal(http.ListenAndServe(address.FromArguments(), r))
}

// answer returns a handler that answers with the text, or with a 500 and a line in the log.
func answer(handle func(*http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text, err := handle(r)
		if err != nil {
			log.Printf("%s %s: %v", r.Method, r.URL.Path, err)
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, text)
	}
}
