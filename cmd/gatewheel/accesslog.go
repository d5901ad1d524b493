//go:build linux

package main

import (
	"os"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/server/accesslog"
)

type accessLogFlags struct {
	AccessLog         string   `default:"off" placeholder:"TARGET" complete:"files" help:"Where a line for each request goes: off, stdout, stderr, or the path of a file or named pipe. A file is opened again on SIGUSR1 and when it was renamed or deleted. Lines that the target does not take in time are dropped and counted."`
	AccessLogFormat   string   `default:"combined" placeholder:"FORMAT" help:"Format of its lines: common, combined, tiny, json, logfmt, or a text with Apache's atoms such as %h and %{Referer}i, and our own such as %{end}x; see docs/access-log.md."`
	AccessLogSkip     []string `placeholder:"WHAT" help:"Requests without a line: a path such as /healthz or /static/*, a status such as 304, or a class such as 2xx. Repeatable."`
	AccessLogSample   count    `default:"1" from:"1" to:"1000000000" help:"Log one of so many requests; those that were ended early or have no status below 500 all have a line."`
	AccessLogMaxSize  byteSize `default:"0" from:"0" to:"1024GiB" help:"Size at which the file is renamed and a new one begun, in MiB at least; 0 means no limit."`
	AccessLogMaxFiles count    `default:"10" from:"0" to:"1000000" help:"Maximum number of renamed files that are kept; 0 means all."`
	AccessLogMaxDays  count    `default:"0" from:"0" to:"36500" help:"Maximum age of renamed files in days; 0 means no limit."`
	AccessLogCompress bool     `help:"Compress renamed files with gzip."`
}

const accessLogOff = "off"

// accessLog is the access log of a process; its Log is nil if there is none.
type accessLog struct{ *accesslog.Log }

// open opens the access log.
func (f *accessLogFlags) open(log *zap.Logger) (*accessLog, error) {
	if f.AccessLog == accessLogOff {
		return &accessLog{}, f.checkOff()
	}
	options := f.options(log)
	if err := options.Check(); err != nil {
		return nil, usage(err)
	}
	opened, err := accesslog.Open(options)
	if err != nil {
		return nil, err
	}
	return &accessLog{opened}, nil
}

func (f *accessLogFlags) options(log *zap.Logger) accesslog.Options {
	return accesslog.Options{
		Target: f.AccessLog, Format: f.AccessLogFormat, Skip: f.AccessLogSkip, Sample: int(f.AccessLogSample),
		MaxSize: int64(f.AccessLogMaxSize), MaxFiles: int(f.AccessLogMaxFiles), MaxDays: int(f.AccessLogMaxDays),
		Compress: f.AccessLogCompress, Logger: log,
	}
}

// checkOff reports mistakes in the other flags although the log is off, so that they do not wait until it is on.
func (f *accessLogFlags) checkOff() error {
	options := f.options(nil)
	return usage(options.Check())
}

// observe adds the log to the observers of a server.
func (a *accessLog) observe(config *server.Config) {
	if a.Log != nil {
		config.Observers = append(config.Observers, a.Log)
	}
}

// flushBefore returns abort with the last lines written before.
func (a *accessLog) flushBefore(abort func(reason string, stacks []byte)) func(reason string, stacks []byte) {
	if a.Log == nil {
		return abort
	}
	return func(reason string, stacks []byte) {
		a.Flush(exitPatience)
		abort(reason, stacks)
	}
}

// reopen opens the file again at each signal.
func (a *accessLog) reopen(log *zap.Logger, received <-chan os.Signal) {
	for range received {
		if a.Log == nil {
			log.Info("nothing to open again: there is no access log")
			continue
		}
		a.Reopen()
	}
}

// close writes the last lines. It waits for half a second at most.
func (a *accessLog) close(log *zap.Logger) {
	if err := a.Close(); err != nil {
		log.Warn("lines of the access log are lost at the end", zap.Error(err))
	}
}
