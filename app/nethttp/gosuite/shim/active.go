//go:build linux

package shim

import (
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
)

// active counts the requests whose handler runs.
type active struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n returns to 0; nil if nobody waits
}

// count returns a handler that counts its calls of the handler of s, which a test may exchange between requests. Responses
// close their connection if noReuse is set.
func (a *active) count(s *http.Server, noReuse *atomic.Bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.add(1)
		defer a.add(-1)
		if noReuse.Load() {
			w.Header().Set("Connection", "close")
		}
		h := s.Handler
		if h == nil {
			h = http.DefaultServeMux
		}
		h.ServeHTTP(w, r)
	})
}

func (a *active) add(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += n
	if a.n == 0 && a.idle != nil {
		close(a.idle)
		a.idle = nil
	}
}

// wait waits until no handler runs.
func (a *active) wait() {
	a.mu.Lock()
	if a.n == 0 {
		a.mu.Unlock()
		return
	}
	if a.idle == nil {
		a.idle = make(chan struct{})
	}
	idle := a.idle
	a.mu.Unlock()
	<-idle
}

// copyOf returns an http.Server with the exported fields of s.
func copyOf(s *http.Server) *http.Server {
	c := &http.Server{}
	from, to := reflect.ValueOf(s).Elem(), reflect.ValueOf(c).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return c
}
