//go:build linux

package soak

import (
	"io"
	"time"
)

// A Config says how a run goes.
type Config struct {
	// Program is the path of the gatewheel binary.
	Program string
	// Dir is an empty directory for certificates, files and logs.
	Dir string
	// Duration is the time under load.
	Duration time.Duration
	// Seed decides what operations and disturbances do. Their order depends on the machine too.
	Seed uint64
	// Rate is the number of operations a second.
	Rate float64
	// Workers is the largest number of operations at once.
	Workers int
	// MaxCPU is the part of a core that this process may use; operations become rarer beyond it. 0 is no limit.
	MaxCPU float64
	// Every is the mean time between two disturbances.
	Every time.Duration
	// Short runs each element once at each program, and each disturbance once, at the same time, and nothing more.
	// Duration, Rate, MaxCPU and Every have no effect.
	Short bool
	// Restarts includes hot restarts of both programs.
	Restarts bool
	// Bounds are those of growth.
	Bounds Bounds
	// Settle is the time in which memory, descriptors and goroutines return once there is no load.
	Settle time.Duration
	// Progress gets a line every ten seconds.
	Progress io.Writer
}

// patience is the time limit of one operation. It bounds a failure, not a success.
const patience = time.Minute

// stallTimeout is --stall-timeout of both programs.
const stallTimeout = 2 * time.Second

// shutdownTimeout is --shutdown-timeout of both programs. Operations are shorter, so that a restart ends none of them.
const shutdownTimeout = 90 * time.Second

// upstreamIdle is the time after which the gateway closes an unused connection to its backend.
const upstreamIdle = 2 * time.Second

// Bounds are by how much a program may have grown at the end.
type Bounds struct {
	Heap        float64 `json:"live_heap_bytes"`
	RSS         float64 `json:"rss_bytes"`
	Descriptors int     `json:"descriptors"`
	Goroutines  int     `json:"goroutines"`
	Connections int     `json:"connections"`
}

// DefaultBounds leave room for what fills slowly and is limited: each loop keeps chunks of up to 5 MiB for reuse
// (app/server/queue.go) and buffers, each pool its goroutines for a while. The client of the application keeps connections
// to the gateway and to the application itself for five minutes, one for each loop and address (docs/client.md), and each
// costs a descriptor at both ends. What grows with the number of requests exceeds the bounds in a long run.
var DefaultBounds = Bounds{Heap: 16 << 20, RSS: 64 << 20, Descriptors: 16, Goroutines: 16, Connections: 16}
