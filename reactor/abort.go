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
)

const (
	// abortPatience is how long a process that is beyond repair may take to say so.
	abortPatience = 2 * time.Second
	// stacksMost bounds a dump of stacks in bytes.
	stacksMost = 16 << 20
	// stackRoom is how many bytes of it a goroutine takes at most, on average.
	stackRoom = 4 << 10
)

// abort ends the process with ExitAbort, or has Config.Abort do what it does. It does not wait for that.
func (r *Reactor) abort(reason string) {
	if r.config.Abort != nil {
		go func() {
			r.log.Error("beyond repair", zap.String("reason", reason))
			r.config.Abort(reason, allStacks())
		}()
		return
	}
	// Neither a log that nobody reads nor a full pipe keeps the process.
	time.AfterFunc(abortPatience, func() { os.Exit(ExitAbort) })
	go func() {
		r.log.Error("beyond repair", zap.String("reason", reason))
		_ = r.log.Sync()
		fmt.Fprintf(os.Stderr, "gatewheel: %s\n\n%s\n", reason, allStacks())
		os.Exit(ExitAbort)
	}()
}

// allStacks returns the stacks of all goroutines. If there are many, equal ones are counted together.
func allStacks() []byte {
	if n := runtime.NumGoroutine(); n <= stackGoroutines {
		buf := make([]byte, min((n+16)*stackRoom, stacksMost))
		return buf[:runtime.Stack(buf, true)]
	}
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1)
	return profile.Bytes()[:min(profile.Len(), stacksMost)]
}
