// Command site is examples/site with net/http and chi.
package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/gatewheel/gatewheel/examples/internal/address"
	"github.com/gatewheel/gatewheel/examples/site/public"
)

func main() {
	r := chi.NewRouter()
	r.Use(security, middleware.GetHead, middleware.Compress(5))
	files := http.FileServerFS(public.Files)
	r.Get("/*", func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if name == "" {
			name = "index.html"
		}
		content, err := fs.ReadFile(public.Files, name)
		if err != nil { // there is none, or it is a directory
			missing(w, r)
			return
		}
		// Embedded files have no times.
		w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
		w.Header().Set("Cache-Control", "no-cache")
		if strings.HasPrefix(name, "assets/") {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		files.ServeHTTP(w, r)
	})
	r.NotFound(missing)
	log.Fatal(http.ListenAndServe(address.FromArguments(), r))
}

// missing shows a page of its own for what does not exist.
func missing(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = w.Write([]byte(public.Missing))
}

// security adds the fields that keep browsers from guessing types, from frames, and from telling where they come from.
func security(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "strict-origin-when-cross-origin")
		w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}
