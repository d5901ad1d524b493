//go:build linux

// Command crud is a service for books, in memory: create, read, update and delete in JSON.
package main

import (
	"cmp"
	"context"
	"log"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/input"
	"github.com/gatewheel/gatewheel/app/problem"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

type book struct {
	ID    int    `json:"id"`
	Title string `json:"title"`
	Pages int    `json:"pages"`
}

// shelf has the books. Its handlers run on all loops.
type shelf struct {
	mu    sync.Mutex
	last  int
	books map[string]book // by ID
}

func main() {
	s := &shelf{books: map[string]book{}}
	r := router.Router{Failed: problem.Response}
	books := r.Group("/books")
	books.HandleFunc("GET", s.list)
	books.Handle("POST", s.create)
	books.HandleFunc("GET /{id}", s.get)
	books.Handle("PUT /{id}", s.replace)
	books.HandleFunc("DELETE /{id}", s.remove)
	config := server.Config{Handler: r.Serve, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}

func (s *shelf) list(r *app.Request) (*app.Response, error) {
	query, err := input.Query[struct {
		Limit int `input:"limit" default:"100"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.AppendSeq([]book{}, maps.Values(s.books))
	slices.SortFunc(all, func(a, b book) int { return cmp.Compare(a.ID, b.ID) })
	return app.JSON(200, all[:max(0, min(query.Limit, len(all)))]), nil
}

func (s *shelf) create(r *app.Request) app.Answer {
	return app.Map(input.JSON[book](r, input.KnownFieldsOnly()), func(b book) (*app.Response, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.last++
		id := strconv.Itoa(s.last)
		s.books[id] = book{s.last, b.Title, b.Pages}
		return app.JSON(201, s.books[id]).With("Location", "/books/"+id), nil
	})
}

func (s *shelf) get(r *app.Request) (*app.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.books[r.PathValue("id")]
	if !ok {
		return nil, app.Statusf(404, "there is no such book")
	}
	return app.JSON(200, b), nil
}

func (s *shelf) replace(r *app.Request) app.Answer {
	return app.Map(input.JSON[book](r, input.KnownFieldsOnly()), func(b book) (*app.Response, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		id := r.PathValue("id")
		old, ok := s.books[id]
		if !ok {
			return nil, app.Statusf(404, "there is no such book")
		}
		s.books[id] = book{old.ID, b.Title, b.Pages}
		return app.JSON(200, s.books[id]), nil
	})
}

func (s *shelf) remove(r *app.Request) (*app.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.books, r.PathValue("id"))
	return app.Empty(204), nil
}
