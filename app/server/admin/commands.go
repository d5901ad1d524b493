//go:build linux

package admin

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// commands adds the endpoints that change something.
func (s *Server) commands(mux *http.ServeMux) {
	o := &s.options
	if o.Level != nil {
		mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) { s.writeLevel(w) })
		mux.HandleFunc("POST /log", s.setLevel)
	}
	if o.Drain != nil {
		mux.HandleFunc("POST /drain", s.drain)
	}
	if o.Reload != nil {
		mux.HandleFunc("POST /reload", s.reload)
	}
}

func (s *Server) writeLevel(w http.ResponseWriter) {
	writeJSON(w, http.StatusOK, map[string]string{"level": s.options.Level.Level().String()})
}

// levels are the values of --log-level.
var levels = map[string]zapcore.Level{"debug": zap.DebugLevel, "info": zap.InfoLevel, "warn": zap.WarnLevel, "error": zap.ErrorLevel}

func (s *Server) setLevel(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("level")
	level, ok := levels[name]
	if !ok {
		writeText(w, http.StatusBadRequest, "level is debug, info, warn or error")
		return
	}
	before := s.options.Level.Level()
	s.options.Level.SetLevel(level)
	// At the higher of both levels, so that it is in the log.
	s.options.Log.Log(max(before, level), "the level of the log was changed", zap.Stringer("from", before), zap.Stringer("to", level), zap.String("peer", r.RemoteAddr))
	s.writeLevel(w)
}

func (s *Server) drain(w http.ResponseWriter, r *http.Request) {
	if s.state() == StateDraining {
		writeText(w, http.StatusAccepted, "draining since before")
		return
	}
	s.options.Log.Info("drain was asked for on the admin listener", zap.String("peer", r.RemoteAddr))
	s.options.Drain()
	writeText(w, http.StatusAccepted, "draining")
}

func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	withoutDeadlines(w)
	ctx, cancel := context.WithTimeout(r.Context(), reloadTimeout)
	defer cancel()
	s.options.Log.Info("reload was asked for on the admin listener", zap.String("peer", r.RemoteAddr))
	err := s.options.Reload(ctx)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	if err != nil {
		writeText(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	writeText(w, http.StatusOK, "loaded")
}
