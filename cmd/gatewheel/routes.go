//go:build linux

package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
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
	changed      chan struct{} // a change, or a request to load, that was not looked at yet
	asked        atomic.Bool   // SIGHUP has come
	watch        *filewatch.Watch
	digest       [sha256.Size]byte // of the files when they were read last
	reloads      atomic.Pointer[target.ReloadCounts]
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
	r := &routesFile{name: name, gateway: g, certificates: c, log: log, changed: make(chan struct{}, 1)}
	r.reloads.Store(&target.ReloadCounts{})
	r.digest = digestOf(name, f.Files)
	r.follow(f.Files)
	go r.run(f.Files)
	return g, r, nil
}

// again has the file read again, changed or not. It does not wait for that. Any goroutine.
func (r *routesFile) again() {
	r.asked.Store(true)
	r.look()
}

// look has the file read if it has changed. Any goroutine.
func (r *routesFile) look() {
	select {
	case r.changed <- struct{}{}:
	default: // it will be read
	}
}

// run reads the file after each change, of it or of those that it names.
func (r *routesFile) run(named []string) {
	for range r.changed {
		digest := digestOf(r.name, named)
		asked := r.asked.Swap(false)
		if !asked && digest == r.digest {
			continue // an event of another file in its directory, or a touch
		}
		if asked {
			r.certificates.reload()
		}
		r.digest = digest
		if files, ok := r.load(); ok {
			named = files
			r.digest = digestOf(r.name, named)
			r.follow(named)
		}
	}
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
func (r *routesFile) load() (named []string, ok bool) {
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
		return nil, false
	}
	r.log.Info("the gateway's file was loaded again", zap.String("file", r.name),
		zap.Int("routes", len(f.Config.Routes)), zap.Int("backends", len(f.Config.Backends)))
	return f.Files, true
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
