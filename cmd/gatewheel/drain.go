//go:build linux

package main

import (
	"context"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
)

// skipDelay begins the shutdown without --drain-delay: another process serves the same addresses.
func skipDelay(srv *server.Server) {
	over, end := context.WithCancel(context.Background())
	end()
	srv.BeginShutdown(over)
}

// delayDrain begins the shutdown and waits for --drain-delay, or the next signal.
func (c *serverFlags) delayDrain(srv *server.Server, log *zap.Logger, stop <-chan os.Signal) {
	if c.DrainDelay == 0 {
		return
	}
	log.Info("not ready, but serving until the drain", zap.Duration("drain_delay", time.Duration(c.DrainDelay)))
	wait, end := context.WithCancel(context.Background())
	defer end()
	over := make(chan struct{})
	go func() {
		srv.BeginShutdown(wait)
		close(over)
	}()
	because := "the delay is over"
	select {
	case <-over:
	case next := <-stop:
		because = next.String()
		end()
		<-over
	}
	log.Info("draining", zap.String("because", because), zap.String("at_most", limitText(c.ShutdownTimeout)))
}
