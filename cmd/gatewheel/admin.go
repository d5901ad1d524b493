//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/server/admin"
	"github.com/gatewheel/gatewheel/app/server/metrics"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
	"github.com/gatewheel/gatewheel/reactor/certs"
)

type adminFlags struct {
	Admin          string `name:"admin" placeholder:"ADDRESS" help:"Address for the operator, HOST:PORT or unix:PATH: a live page, metrics, profiles and commands; see docs/admin.md. One of this machine alone, 127.0.0.1, [::1] or a unix socket, unless there is --admin-token-file. None by default."`
	AdminTokenFile string `name:"admin-token-file" placeholder:"FILE" help:"File with a token of 16 bytes or more that requests to --admin need: Authorization: Bearer, or as the password of any user. Read again when it changes."`
}

// operator is what the admin listener of a process shows and does. Its fields are set while the process starts.
type operator struct {
	settings     settings
	level        zap.AtomicLevel
	recent       *admin.Recent
	stalls       admin.Stalls
	certificates *certs.Store     // nil: no TLS listener
	gateway      *gateway.Gateway // nil: the built-in application is served
	files        *gatewayFiles    // nil: the same
	notify       *notify

	log      *zap.Logger
	listener *admin.Listener // nil: there is no --admin
	address  string          // of --admin
	admin    *admin.Server
	server   *server.Server
	started  atomic.Bool
	draining sync.Once
	lag      admin.LagProbe
	metrics  *metrics.Metrics // nil: there are none
}

// listen opens the listener of --admin, or takes that of the process that this one replaces.
func (o *operator) listen(f *adminFlags, in *inheritance, log *zap.Logger) error {
	o.log, o.address = log, f.Admin
	if f.Admin == "" {
		if f.AdminTokenFile != "" {
			return usage(errors.New("--admin-token-file has no effect without --admin"))
		}
		return nil
	}
	var err error
	if o.listener, err = admin.ListenInherited(f.Admin, f.AdminTokenFile, in.adminSocket(f.Admin)); err == nil {
		return nil
	}
	_, network := errors.AsType[*net.OpError](err)
	_, file := errors.AsType[*fs.PathError](err)
	switch {
	case file:
		return fmt.Errorf("--admin-token-file: %w", err)
	case network:
		return fmt.Errorf("--admin: %w", err)
	}
	return usage(fmt.Errorf("--admin: %w", err))
}

// observe adds to the configuration of the server what the admin listener shows.
func (o *operator) observe(config *server.Config) {
	if o.listener == nil {
		return
	}
	config.Stall.Reported = func(r reactor.StallReport) { o.stalls.Add(stallOf(r)) }
	next := config.Hooks.LoopStart
	config.Hooks.LoopStart = func(loop app.Loop) (state any, err error) {
		o.lag.Add(loop.Post)
		if next != nil {
			return next(loop)
		}
		return nil, nil
	}
}

// serve begins to answer on the admin listener. stop gets what begins the end of the process.
func (o *operator) serve(srv *server.Server, stop chan<- os.Signal) {
	o.server = srv
	if o.listener == nil {
		return
	}
	options := admin.Options{
		Version: programVersion(),
		Log:     o.log,
		Level:   &o.level,
		Ready:   o.state,
		Totals:  o.totals,
		Loops:   o.loops,
		Stalls:  &o.stalls,
		Recent:  o.recent,
		Config:  o.config,

		Connections: o.connections,
		Requests:    o.requests,

		Count:  func() any { return target.Totals(o.counter()) },
		Drain:  func() { o.draining.Do(func() { stop <- askedToDrain{} }) },
		Reload: o.reload,
	}
	if o.gateway != nil {
		options.Backends = o.backends
	}
	o.showMetrics(&options)
	o.admin = admin.New(o.listener, options)
	o.admin.Serve()
	o.log.Info("admin listener", zap.String("url", o.listener.URL()))
}

// close ends the admin listener.
func (o *operator) close() {
	switch {
	case o.admin != nil:
		o.admin.Close()
	case o.listener != nil:
		_ = o.listener.Close()
	}
}

// leave ends the admin listener when another process serves it: requests in progress have a second.
func (o *operator) leave() {
	if o.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		o.admin.Shutdown(ctx)
	}
}

// askedToDrain is in the place of the signal when POST /drain begins the end of the process.
type askedToDrain struct{}

// Signal implements os.Signal.
func (askedToDrain) Signal() {}

// String implements os.Signal.
func (askedToDrain) String() string { return "POST /drain" }

func (o *operator) state() admin.State {
	switch {
	case o.server.Draining():
		return admin.StateDraining
	case !o.started.Load():
		return admin.StateStarting
	}
	if o.server.Memory().Level >= server.MemoryScarce {
		return admin.StateShort
	}
	return admin.StateReady
}

// counter returns the counters of the server, with those of the gateway if there is one.
func (o *operator) counter() target.Counter {
	c := counter{server: o.server}
	if o.gateway == nil {
		return c
	}
	return &gatewayCounter{counter: c, gateway: o.gateway, routes: o.files.routes}
}

func (o *operator) totals() admin.Totals {
	n := counter{server: o.server}.Counts()
	return admin.Totals{Open: n.Open, Accepted: n.Accepted, BytesIn: n.BytesIn, BytesOut: n.BytesOut, Requests: n.Requests, Errors: n.Errors}
}

func stallOf(r reactor.StallReport) admin.Stall {
	return admin.Stall{Time: time.Now(), Loop: r.Loop, For: r.For.Seconds(), Killed: r.Stopped, What: r.What, Stack: r.Stack}
}

// config is what /config answers.
func (o *operator) config() any {
	c := struct {
		Flags settings    `json:"flags"`
		Level string      `json:"log_level"`
		File  *fileStatus `json:"gateway_file,omitempty"`
	}{o.settings, o.level.Level().String(), nil}
	if o.files != nil && o.files.routes != nil {
		c.File = o.files.routes.status.Load()
	}
	return c
}
