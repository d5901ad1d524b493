//go:build linux

package main

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"go.uber.org/zap"
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

// cgroupShare is the part of a cgroup's limit, in percent, that Go's memory may have. The rest is for what else counts in
// the cgroup: buffers of sockets, the program, and what the runtime exceeds its limit by.
const cgroupShare = 90

// limit sets the memory limit of the runtime and returns it in bytes; 0: there is none.
func (m memoryLimit) limit(log *zap.Logger) int64 {
	source := "--memory-limit"
	limit := int64(m)
	switch m {
	case memoryOff:
		return 0
	case memoryAuto:
		if limit, source = goLimit(), "GOMEMLIMIT"; limit != 0 {
			break
		}
		if _, set := os.LookupEnv("GOMEMLIMIT"); set {
			return 0 // GOMEMLIMIT=off
		}
		if limit, source = cgroupLimit(log), "cgroup"; limit == 0 {
			return 0
		}
		limit = limit / 100 * cgroupShare
		if limit < leastMemory {
			log.Warn("the memory limit of the cgroup is too low to work by; --memory-limit sets one in any case",
				zap.Int64("limit", limit), zap.Int64("least", leastMemory))
			return 0
		}
	}
	debug.SetMemoryLimit(limit)
	log.Info("memory limit", zap.Int64("bytes", limit), zap.String("from", source))
	return limit
}

// goLimit returns the limit of the runtime, which GOMEMLIMIT has set; 0: there is none.
func goLimit() int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit
	}
	return 0
}

// cgroupLimit returns the lowest memory limit of the cgroup and those around it: memory.max and memory.high of version 2,
// memory.limit_in_bytes of version 1; 0: there is none.
func cgroupLimit(log *zap.Logger) int64 {
	limit, err := memlimit.FromCgroup()
	if err != nil {
		log.Debug("no memory limit of a cgroup", zap.Error(err))
		limit = math.MaxInt64
	}
	// Version 1 has a number near 2^63 in place of no limit.
	if limit = min(limit, memoryHigh(os.DirFS("/"))); limit >= 1<<60 {
		return 0
	}
	return int64(limit)
}

// memoryHigh returns the lowest memory.high of the process's cgroup of version 2 and those around it, as far as root, the
// file system, shows them; math.MaxUint64: there is none. Above it the kernel slows the process down until nothing moves.
func memoryHigh(root fs.FS) uint64 {
	lowest := uint64(math.MaxUint64)
	mount, cgroup := unifiedCgroup(root)
	for mount != "" {
		text, err := fs.ReadFile(root, path.Join(mount, cgroup, "memory.high"))
		if n, malformed := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && malformed == nil {
			lowest = min(lowest, n)
		}
		if cgroup == "/" {
			break
		}
		cgroup = path.Dir(cgroup)
	}
	return lowest
}

// unifiedCgroup returns where cgroups of version 2 are mounted, as a path of root, and the process's cgroup below that; an
// empty mount: nowhere.
func unifiedCgroup(root fs.FS) (mount, cgroup string) {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			cgroup = name
		}
	}
	mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		// 35 24 0:30 ROOT MOUNTPOINT rw,nosuid shared:9 - cgroup2 cgroup2 rw
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if len(fields) < 5 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		mount = strings.TrimPrefix(fields[4], "/")
		// A container may see its own cgroup as the root of the mount.
		if below, ok := strings.CutPrefix(cgroup, strings.TrimSuffix(fields[3], "/")); ok {
			return mount, path.Join("/", below)
		}
		return mount, "/"
	}
	return "", ""
}
