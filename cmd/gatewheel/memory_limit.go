//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
)

type memoryFlags struct {
	MemoryLimit memoryLimit `default:"auto" help:"Memory of the process in bytes: near it idle connections are closed, then requests get 503. auto, off or a size; auto is GOMEMLIMIT if set, else 90 % of the cgroup's limit, or none."`
}

// memoryLimit is the value of --memory-limit: a number of bytes, or one of the words below.
type memoryLimit int64

const (
	memoryAuto memoryLimit = -1
	memoryOff  memoryLimit = 0
	// leastMemory is the least limit in bytes: an idle server needs a third of it.
	leastMemory = 32 << 20
)

// UnmarshalText reads auto, off or a size.
func (m *memoryLimit) UnmarshalText(text []byte) error {
	switch string(text) {
	case "auto":
		*m = memoryAuto
		return nil
	case "off":
		*m = memoryOff
		return nil
	}
	n, err := parseSize(string(text))
	if err != nil || n < leastMemory {
		return fmt.Errorf("%q is not auto, off or a size of at least 32MiB, in bytes, KiB, MiB or GiB", text)
	}
	*m = memoryLimit(n)
	return nil
}

// String returns m as the flag takes it.
func (m memoryLimit) String() string {
	switch m {
	case memoryAuto:
		return "auto"
	case memoryOff:
		return "off"
	}
	return strconv.FormatInt(int64(m), 10)
}

// cgroupShare is the part of a cgroup's limit, in percent, that counts as the limit. What the process takes between two
// looks at it fits into the rest.
const cgroupShare = 90

// set sets the memory limit of the runtime, and that of config.
func (m memoryLimit) set(config *server.Config, log *zap.Logger) {
	limit, source := int64(m), "--memory-limit"
	if m == memoryAuto {
		limit, source = goLimit(), "GOMEMLIMIT"
		// GOMEMLIMIT=off is a limit that somebody has set.
		if _, set := os.LookupEnv("GOMEMLIMIT"); limit == 0 && !set {
			if g := findMemoryCgroup(os.DirFS("/")); g != nil {
				limit, source = int64(g.limit/100*cgroupShare), "cgroup"
				config.MemoryElsewhere = (&elsewhere{cgroup: g, limit: limit}).bytes
			}
		}
	}
	if limit == 0 {
		return
	}
	if limit < leastMemory {
		log.Warn("the memory limit is too low to shed load near it; --memory-limit sets another one",
			zap.Int64("bytes", limit), zap.String("from", source), zap.Int64("least", leastMemory))
		config.MemoryElsewhere = nil
		return
	}
	debug.SetMemoryLimit(limit)
	log.Info("memory limit", zap.Int64("bytes", limit), zap.String("from", source))
	config.MemoryLimit = limit
}

// goLimit returns the limit of the runtime, which GOMEMLIMIT has set; 0: there is none.
func goLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	return 0
}

// elsewhere measures the memory of the process's cgroup that is not the Go runtime's: of sockets and of the rest of the
// kernel, and of other processes of the cgroup.
type elsewhere struct {
	cgroup *memoryCgroup
	limit  int64 // of the Go runtime and elsewhere together

	looked time.Time // when it was measured last
	last   int64     // bytes
	told   int64     // bytes by which the runtime's limit is lower
}

// lookEvery is the least time between two measurements: the kernel may take a while to sum up memory.stat.
const lookEvery = 100 * time.Millisecond

// bytes returns them, and lowers the limit of the Go runtime by them. It is server.Config.MemoryElsewhere.
func (e *elsewhere) bytes() int64 {
	now := time.Now()
	if now.Sub(e.looked) < lookEvery {
		return e.last
	}
	e.looked = now
	samples := [...]metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples[:])
	used, ok := e.cgroup.used()
	if !ok {
		return e.last
	}
	e.last = max(int64(used)-int64(samples[0].Value.Uint64()-samples[1].Value.Uint64()), 0)
	// A change stops the world for a moment, so small ones are left out.
	if change := e.last - e.told; change > e.limit/32 || change < -e.limit/32 {
		e.told = e.last
		debug.SetMemoryLimit(max(e.limit-e.told, leastMemory/2))
	}
	return e.last
}
