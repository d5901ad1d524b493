//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/internal/filewatch"
)

// routesFile is the file of a gateway that is running.
type routesFile struct {
	name         string
	gateway      *gateway.Gateway
	certificates *upstreamCertificates
	log          *zap.Logger
	changed      chan struct{} // a change that was not looked at yet
	requests     chan chan<- error
	watch        *filewatch.Watch
	digest       [sha256.Size]byte // of the files when they were read last
	reloads      atomic.Pointer[target.ReloadCounts]
	status       atomic.Pointer[fileStatus] // of the file in force
}

// fileStatus is what /config shows of the file in force. What else the file has may be secret.
type fileStatus struct {
	Name     string    `json:"name"`
	Loaded   time.Time `json:"loaded"`
	Routes   []string  `json:"routes"`
	Backends []string  `json:"backends"`
}

func statusOf(name string, c *config.Config) *fileStatus {
	return &fileStatus{name, time.Now(), slices.Sorted(maps.Keys(c.Routes)), slices.Sorted(maps.Keys(c.Backends))}
}

// openRoutes returns the gateway that a file describes, and begins to watch the file and those that it names. Mistakes
// in it are written to standard error, with their lines.
func openRoutes(s *streams, flags *gatewayFlags, options gateway.Options, log *zap.Logger) (*gateway.Gateway, *routesFile, error) {
	name := flags.Config
	key, err := flags.cookieKey()
	if err != nil {
		return nil, nil, err
	}
	f, _, err := openGateway(s.stderr, name)
	if err != nil {
		return nil, nil, err
	}
	builtIn, err := builtInApplication()
	if err != nil {
		return nil, nil, err
	}
	c := &upstreamCertificates{directory: filepath.Dir(name), log: log}
	g, err := gateway.Open(f.Config, options, gateway.Parts{
		BuiltIn: builtIn, Certificates: c.open, ReadPeers: file.ReadPeers, Directory: c.directory, CookieKey: key,
	})
	if err != nil {
		return nil, nil, err
	}
	r := &routesFile{name: name, gateway: g, certificates: c, log: log, changed: make(chan struct{}, 1), requests: make(chan chan<- error)}
	r.reloads.Store(&target.ReloadCounts{})
	r.status.Store(statusOf(name, f.Config))
	r.digest = digestOf(name, f.Files)
	r.follow(f.Files)
	go r.run(f.Files)
	return g, r, nil
}

// reload has the file read, changed or not, and returns what is wrong with it, or the error of ctx. Any goroutine.
func (r *routesFile) reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case r.requests <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look has the file read if it has changed. Any goroutine.
func (r *routesFile) look() {
	select {
	case r.changed <- struct{}{}:
	default: // it will be read
	}
}

// run reads the file after each change, of it or of those that it names, and when it is asked to.
func (r *routesFile) run(named []string) {
	for {
		select {
		case <-r.changed:
			named, _ = r.read(named, false)
		case answer := <-r.requests:
			var err error
			named, err = r.read(named, true)
			answer <- err
		}
	}
}

// read reads the file if it, or one of those that it names, has changed, or if that was asked for. It returns the files
// that are named now, and what is wrong.
func (r *routesFile) read(named []string, asked bool) ([]string, error) {
	digest := digestOf(r.name, named)
	if !asked && digest == r.digest {
		return named, nil // an event of another file in its directory, or a touch
	}
	var wrong error
	if asked {
		wrong = r.certificates.reload()
	}
	r.digest = digest
	files, err := r.load()
	if err != nil {
		return named, errors.Join(wrong, err)
	}
	r.digest = digestOf(r.name, files)
	r.follow(files)
	return files, wrong
}

// digestOf returns a digest of the content of files. One that cannot be read counts as empty.
func digestOf(name string, named []string) (digest [sha256.Size]byte) {
	h := sha256.New()
	for _, name := range append([]string{name}, named...) {
		text, _ := os.ReadFile(name)
		fmt.Fprintln(h, name, len(text))
		h.Write(text)
	}
	h.Sum(digest[:0])
	return digest
}

// load reads the file and has the gateway do what it says. If that is wrong in any way, the gateway goes on as it is.
func (r *routesFile) load() (named []string, err error) {
	f, err := file.Open(r.name)
	if err == nil {
		err = checkRoutes(f)
	}
	if err == nil {
		err = r.gateway.Reload(f.Config)
	}
	r.count(err)
	if err != nil {
		r.log.Error("the gateway's file is wrong, and the last one stays in force", zap.String("file", r.name),
			zap.Strings("mistakes", strings.Split(err.Error(), "\n")))
		return nil, err
	}
	r.log.Info("the gateway's file was loaded again", zap.String("file", r.name),
		zap.Int("routes", len(f.Config.Routes)), zap.Int("backends", len(f.Config.Backends)))
	r.status.Store(statusOf(r.name, f.Config))
	return f.Files, nil
}

// count counts a load. It is called by one goroutine.
func (r *routesFile) count(err error) {
	n := *r.reloads.Load()
	n.LastError = ""
	if err != nil {
		n.Failed++
		n.LastError = err.Error()
	} else {
		n.OK++
	}
	r.reloads.Store(&n)
}

// checkRoutes returns what Open of the gateway would refuse, and the tests that fail, with their places.
func checkRoutes(f *file.File) error {
	table, err := routing.Compile(f.Config)
	if err != nil {
		return err
	}
	if problems := f.Locate(gateway.CheckTests(f.Config, table)); len(problems) > 0 {
		return problems
	}
	return nil
}

// follow watches the file and those that it names.
func (r *routesFile) follow(named []string) {
	files := append([]string{r.name}, named...)
	if r.watch != nil && slices.Equal(r.watch.Files, files) {
		return
	}
	w := &filewatch.Watch{Files: files, Changed: r.look, Failed: func(err error) {
		r.log.Warn("changes of the gateway's file may go unnoticed until SIGHUP", zap.Error(err))
	}}
	if err := w.Start(); err != nil {
		r.log.Warn("the gateway's file is not watched: SIGHUP loads it again", zap.Error(err))
		return
	}
	if r.watch != nil {
		_ = r.watch.Close()
	}
	r.watch = w
}

// builtInApplication returns what target: stands for.
func builtInApplication() (app.Handler, error) {
	return target.New(target.Config{Draining: func() bool { return false }})
}
