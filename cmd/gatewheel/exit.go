//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/logqueue"
	"github.com/gatewheel/gatewheel/reactor"
)

// Exit codes, for scripts and supervisors.
const (
	exitClean   = 0                 // stopped as asked, every answer delivered
	exitFailure = 1                 // could not run, or connections were cut at the end
	exitUsage   = 64                // a flag or a variable is wrong (EX_USAGE of sysexits.h; 2 is a crash of Go's)
	exitStalled = reactor.ExitAbort // the watchdog found the process beyond repair
)

// exitPatience bounds each wait at the end of the process for output that nobody reads.
const exitPatience = 500 * time.Millisecond

// errReported ends the program with exitFailure after it has said why.
var errReported = errors.New("reported")

// usageError is the caller's mistake: a flag or a variable.
type usageError struct{ error }

func usage(err error) error {
	if err == nil {
		return nil
	}
	if at, ok := errors.AsType[*fs.PathError](err); ok && at.Op == "write" {
		return err // the help cannot be written
	}
	return usageError{err}
}

// within waits for f, which runs on a goroutine of its own, for at most limit.
func within(limit time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}

// exit writes err, which ends the program, as one line in the format of the log, and returns the exit
// code.
func exit(stderr io.Writer, format string, err error) int {
	if err == nil {
		return exitClean
	}
	if errors.Is(err, errReported) {
		return exitFailure
	}
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	sentence := strings.ReplaceAll(err.Error(), "\n", "; ")
	if before, err := predecessor(); err == nil {
		before.Failed(sentence)
	}
	within(exitPatience, func() {
		if format == formatJSON {
			direct(stderr, format).Error(sentence)
		} else {
			fmt.Fprintln(stderr, "gatewheel:", sentence)
		}
	})
	if _, wrong := errors.AsType[usageError](err); wrong {
		return exitUsage
	}
	return exitFailure
}

// abort returns what ends a process that the watchdog found beyond repair: a report, and the exit code
// for supervisors, however long the report takes.
func abort(log *zap.Logger, stderr io.Writer, format string) func(reason string, stacks []byte) {
	return func(reason string, stacks []byte) {
		time.AfterFunc(4*exitPatience, func() { os.Exit(exitStalled) })
		logqueue.Flush(log, exitPatience)
		within(exitPatience, func() {
			if format == formatJSON {
				direct(stderr, format).Error("aborted", zap.String("reason", reason), zap.ByteString("stacks", stacks))
			} else {
				fmt.Fprintf(stderr, "gatewheel: %s\n\n%s\n", reason, stacks)
			}
		})
		os.Exit(exitStalled)
	}
}
