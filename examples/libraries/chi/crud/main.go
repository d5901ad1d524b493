// Command crud is examples/crud with net/http and chi.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"log"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/gatewheel/gatewheel/examples/internal/address"
)

type book struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	Pages int    `json:"pages"`
}

// shelf has the books.
type shelf struct {
	mu    sync.Mutex
	last  int
	books map[string]book // by ID
}

func main() {
	s := &shelf{books: map[string]book{}}
	r := chi.NewRouter()
	r.Use(middleware.AllowContentType("application/json"))
	r.Route("/books", func(r chi.Router) {
		r.Get("/", s.list)
		r.Post("/", s.create)
		r.Get("/{id}", s.get)
		r.Put("/{id}", s.replace)
		r.Delete("/{id}", s.remove)
	})
	log.Fatal(http.ListenAndServe(address.FromArguments(), r))
}

func (s *shelf) list(w http.ResponseWriter, r *http.Request) {
	limit := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			fail(w, 400, "the parameter limit is no whole number")
			return
		}
		limit = n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.AppendSeq([]book{}, maps.Values(s.books))
	slices.SortFunc(all, func(a, b book) int { return cmp.Compare(a.ID, b.ID) })
	respond(w, 200, all[:max(0, min(limit, len(all)))])
}

func (s *shelf) create(w http.ResponseWriter, r *http.Request) {
	b, ok := read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	id := strconv.Itoa(s.last)
	s.books[id] = book{s.last, b.Title, b.Pages}
	w.Header().Set("Location", "/books/"+id)
	respond(w, 201, s.books[id])
}

func (s *shelf) get(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.books[chi.URLParam(r, "id")]
	if !ok {
		fail(w, 404, "there is no such book")
		return
	}
	respond(w, 200, b)
}

func (s *shelf) replace(w http.ResponseWriter, r *http.Request) {
	b, ok := read(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := chi.URLParam(r, "id")
	old, ok := s.books[id]
	if !ok {
		fail(w, 404, "there is no such book")
		return
	}
	s.books[id] = book{old.ID, b.Title, b.Pages}
	respond(w, 200, s.books[id])
}

func (s *shelf) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.books, chi.URLParam(r, "id"))
	w.WriteHeader(204)
}

// read reads a book, or answers with a failure that names the field.
func read(w http.ResponseWriter, r *http.Request) (b book, ok bool) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20))
	d.DisallowUnknownFields()
	err := d.Decode(&b)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return b, true
		}
		err = errors.New("the content has more than one JSON value")
	}
	var size *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &size):
		fail(w, 413, err.Error())
	case errors.As(err, &kind), strings.HasPrefix(err.Error(), "json: unknown field"):
		fail(w, 422, err.Error())
	default:
		fail(w, 400, err.Error())
	}
	return b, false
}

func respond(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// fail answers with problem details (RFC 9457).
func fail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
