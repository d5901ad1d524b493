//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
)

// reloadPatience is the time after which a reload by SIGHUP counts as failed. It goes on: a file that blocks may be
// read yet.
const reloadPatience = 10 * time.Second

var (
	errNothingToReload = errors.New("there is nothing to load again: no certificate and no file of a gateway")
	errReloadBlocked   = errors.New("the files could not be read in time")
)

// reload loads certificates and the files of the gateway again, and returns what is wrong with them. When ctx ends it
// returns errReloadBlocked, and the files are read on. Any goroutine.
func (o *operator) reload(ctx context.Context) error {
	loaded := o.beginReload(ctx)
	select {
	case err := <-loaded:
		return err
	case <-ctx.Done():
		return errReloadBlocked
	}
}

// beginReload loads certificates and the files of the gateway again, each on a goroutine of its own, since reading a
// file may block. The channel gets what is wrong with them. ctx bounds the wait for a reload under way.
func (o *operator) beginReload(ctx context.Context) <-chan error {
	loaded := make(chan error, 1)
	var reloads []func() error
	if o.certificates != nil {
		reloads = append(reloads, o.reloadCertificates)
	}
	if o.files.any() {
		reloads = append(reloads, func() error { return o.files.reload(ctx) })
	}
	if len(reloads) == 0 {
		loaded <- errNothingToReload
		return loaded
	}
	wrong := make([]error, len(reloads))
	var running sync.WaitGroup
	for i, reload := range reloads {
		running.Go(func() { wrong[i] = reload() })
	}
	go func() {
		running.Wait()
		loaded <- errors.Join(wrong...)
	}()
	return loaded
}

func (o *operator) reloadCertificates() error {
	err := o.certificates.Reload()
	if err == nil {
		o.log.Info("certificates loaded again")
	}
	return err
}

// reloadAt loads certificates and the files of the gateway again at each SIGHUP. It has a goroutine of its own. Of the
// signals that come during a reload, one is kept.
func (o *operator) reloadAt(received <-chan os.Signal) {
	for range received {
		o.notify.reloading()
		loaded := o.beginReload(context.Background())
		patience := time.NewTimer(reloadPatience)
		select {
		case err := <-loaded:
			o.reloaded(err)
		case <-patience.C:
			o.log.Warn("a reload waits for a file that cannot be read to its end", zap.Duration("for", reloadPatience))
			o.notify.reloaded(errReloadBlocked)
			o.reloaded(<-loaded)
		}
		patience.Stop()
	}
}

// reloaded reports the end of a reload. What is wrong with the files was logged by those who have read them.
func (o *operator) reloaded(err error) {
	if errors.Is(err, errNothingToReload) {
		o.log.Info("nothing to load again: no TLS listener")
		err = nil
	}
	o.notify.reloaded(err)
}
