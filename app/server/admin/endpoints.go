//go:build linux

package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// routes returns the handler of all endpoints. GET has no effects.
func (s *Server) routes() http.Handler {
	o, mux := &s.options, http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /snapshot", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.watch.current()) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeText(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /version", s.version)
	mux.HandleFunc("GET /debug/pprof/{$}", profiles)
	mux.HandleFunc("GET /debug/pprof/{name}", s.takeProfile)
	if o.Loops != nil {
		mux.HandleFunc("GET /loops", func(w http.ResponseWriter, _ *http.Request) {
			all, start := o.Loops(), (*changes)(nil)
			start.loops(all)
			writeJSON(w, http.StatusOK, map[string]any{"loops": all})
		})
	}
	if o.Connections != nil {
		mux.HandleFunc("GET /connections", s.connections)
	}
	if o.Requests != nil {
		mux.HandleFunc("GET /requests", s.requests)
	}
	if o.Backends != nil {
		mux.HandleFunc("GET /backends", func(w http.ResponseWriter, _ *http.Request) {
			all, start := o.Backends(), (*changes)(nil)
			start.backends(all)
			writeJSON(w, http.StatusOK, map[string]any{"backends": all})
		})
	}
	if o.Stalls != nil {
		mux.HandleFunc("GET /stalls", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]any{"stalls": o.Stalls.ring.newest(maxStalls)})
		})
	}
	if o.Recent != nil {
		mux.HandleFunc("GET /log/recent", func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]any{"lines": o.Recent.ring.newest(maxLines)})
		})
	}
	if o.Config != nil {
		mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, o.Config()) })
	}
	if o.Count != nil {
		mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, o.Count()) })
	}
	if o.Metrics != nil {
		mux.Handle("GET /metrics", o.Metrics)
	}
	s.commands(mux)
	return mux
}

// writeJSON answers with v, indented for people.
func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

// state returns whether the server takes requests; it does if nothing is known.
func (s *Server) state() State {
	if s.options.Ready == nil {
		return StateReady
	}
	return s.options.Ready()
}

// whileStarting are the endpoints that answer before the server has started.
var whileStarting = map[string]bool{"/healthz": true, "/readyz": true, "/version": true}

// onceStarted answers requests to other endpoints with 503 until the server has started.
func (s *Server) onceStarted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !whileStarting[r.URL.Path] && s.state() == StateStarting {
			w.Header().Set("Retry-After", "1")
			writeText(w, http.StatusServiceUnavailable, string(StateStarting))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	state := s.state()
	status := http.StatusOK
	if state != StateReady {
		status = http.StatusServiceUnavailable
	}
	writeText(w, status, string(state))
}

// version answers with what was built, and when it was started.
func (s *Server) version(w http.ResponseWriter, _ *http.Request) {
	v := struct {
		Version  string            `json:"version"`
		Go       string            `json:"go"`
		Platform string            `json:"platform"`
		PID      int               `json:"pid"`
		Started  time.Time         `json:"started"`
		Uptime   float64           `json:"uptime_seconds"`
		Build    map[string]string `json:"build,omitempty"`
	}{
		s.options.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, os.Getpid(), s.started, time.Since(s.started).Seconds(), map[string]string{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if name, ok := strings.CutPrefix(setting.Key, "vcs."); ok {
				v.Build[name] = setting.Value
			}
		}
	}
	writeJSON(w, http.StatusOK, v)
}

// Bounds of lists.
const (
	defaultLimit = 100
	maxLimit     = 10_000
)

func (s *Server) connections(w http.ResponseWriter, r *http.Request) {
	q := query{r: r}
	asked := ConnectionQuery{Loop: q.number("loop", -1, 1<<16), Sort: "age", Limit: q.number("limit", defaultLimit, maxLimit)}
	if sort := r.FormValue("sort"); sort != "" {
		if asked.Sort = sort; !slices.Contains(ConnectionOrders, sort) {
			q.fail("sort is one of %s, not %q", strings.Join(ConnectionOrders, ", "), sort)
		}
	}
	if q.refused(w, "limit", "loop", "sort") {
		return
	}
	writeJSON(w, http.StatusOK, s.options.Connections(asked))
}

func (s *Server) requests(w http.ResponseWriter, r *http.Request) {
	q := query{r: r}
	limit := q.number("limit", defaultLimit, maxLimit)
	if q.refused(w, "format", "limit") {
		return
	}
	requests, err := s.options.Requests(limit, r.FormValue("format"))
	if err != nil {
		writeText(w, http.StatusBadRequest, err.Error())
		return
	}
	writeJSON(w, http.StatusOK, requests)
}

// query reads parameters. Its first mistake stays.
type query struct {
	r       *http.Request
	mistake string
}

func (q *query) fail(format string, values ...any) {
	if q.mistake == "" {
		q.mistake = fmt.Sprintf(format, values...)
	}
}

// number returns a whole number from 0 to most, or byDefault if there is none.
func (q *query) number(name string, byDefault, most int) int {
	text := q.r.FormValue(name)
	if text == "" {
		return byDefault
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		q.fail("%s is a number from 0 to %d, not %q", name, most, text)
	}
	return n
}

// refused answers with the first mistake, if there is one. names are the parameters that exist.
func (q *query) refused(w http.ResponseWriter, names ...string) bool {
	for name := range q.r.URL.Query() {
		if !slices.Contains(names, name) {
			q.fail("there is no parameter %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	if q.mistake != "" {
		writeText(w, http.StatusBadRequest, q.mistake)
	}
	return q.mistake != ""
}

// withoutDeadlines lifts the deadlines of the connection for a response that takes longer. The caller sets one for each
// write.
func withoutDeadlines(w http.ResponseWriter) *http.ResponseController {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{})
	_ = c.SetWriteDeadline(time.Time{})
	return c
}
