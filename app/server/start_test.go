//go:build linux

package server_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// What reads counters may begin before the server has started.
func TestCountersAreReadWhileTheServerStarts(t *testing.T) {
	config := runnable(func() {})
	config.Loops = 4
	var readers sync.WaitGroup
	var s *server.Server
	config.Hooks.LoopStart = func(app.Loop) (any, error) {
		readers.Go(func() {
			s.Counts()
			s.Requests(server.RequestQuery{})
			s.Connections(server.ConnQuery{Loop: -1})
		})
		return nil, nil
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A shutdown that comes while hooks run makes Start fail, and leaves nothing running.
func TestShutdownWhileTheServerStarts(t *testing.T) {
	config := runnable(func() {})
	var s *server.Server
	stopped := make(chan error, 1)
	config.Hooks.LoopStart = func(app.Loop) (any, error) {
		go func() { stopped <- s.Shutdown(context.Background()) }()
		for !s.Draining() {
			runtime.Gosched()
		}
		return nil, nil
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("Start succeeded")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("a server that was stopped started again")
	}
}
