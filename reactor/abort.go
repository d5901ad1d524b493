//go:build linux

package reactor

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

const (
	// abortPatience bounds the time from abort to the exit of the process.
	abortPatience = 2 * time.Second
	// maxStackDump bounds a dump of stacks, in bytes.
	maxStackDump = 16 << 20
	// stackRoom is the estimated size of one goroutine in the dump, in bytes.
	stackRoom = 4 << 10
)

// abort calls Config.Abort on a goroutine of its own; without one it ends the process with ExitAbort. It returns at
// once. On any goroutine.
func (r *Reactor) abort(reason string) {
	if r.config.Abort != nil {
		go func() {
			r.log.Error("beyond repair", zap.String("reason", reason))
			r.config.Abort(reason, allStacks())
		}()
		return
	}
	// The exit must not wait for a blocked log or a full pipe.
	time.AfterFunc(abortPatience, func() { os.Exit(ExitAbort) })
	go func() {
		r.log.Error("beyond repair", zap.String("reason", reason))
		_ = r.log.Sync()
		fmt.Fprintf(logqueue.StderrWriter{}, "gatewheel: %s\n\n%s\n", reason, allStacks())
		os.Exit(ExitAbort)
	}()
}

// allStacks returns the stacks of all goroutines, maxStackDump bytes at most. With more than stackGoroutines, equal
// stacks are counted together.
func allStacks() []byte {
	if n := runtime.NumGoroutine(); n <= stackGoroutines {
		buf := make([]byte, min((n+16)*stackRoom, maxStackDump))
		return buf[:runtime.Stack(buf, true)]
	}
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	return profile.Bytes()[:min(profile.Len(), maxStackDump)]
}
