//go:build linux

package main

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// memoryCgroup is the cgroup of the process, with the limit of its memory.
type memoryCgroup struct {
	root  fs.FS
	dir   string // a path of root
	limit uint64 // bytes: the lowest of the cgroup and those around it
	files *cgroupFiles
}

// cgroupFiles are the names of a version of cgroups.
type cgroupFiles struct {
	limits      []string
	usage       string
	reclaimable []string // fields of memory.stat: memory that the kernel takes back when it is short
}

var (
	cgroupV1 = cgroupFiles{[]string{"memory.limit_in_bytes"}, "memory.usage_in_bytes", []string{"total_active_file", "total_inactive_file"}}
	// Names and inodes of files are slab_reclaimable. Version 1 does not report them.
	// Above memory.high the kernel slows the process down until nothing moves.
	cgroupV2 = cgroupFiles{[]string{"memory.max", "memory.high"}, "memory.current", []string{"active_file", "inactive_file", "slab_reclaimable"}}
)

// noCgroupLimit is the least number that stands for no limit: version 1 has one near 2^63.
const noCgroupLimit = 1 << 60

// findMemoryCgroup returns the cgroup of the process, as far as root, the file system, shows it; nil: neither it nor one
// around it limits memory. Where both versions are mounted, the one with the lowest limit counts.
func findMemoryCgroup(root fs.FS) *memoryCgroup {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	mounts, _ := fs.ReadFile(root, "proc/self/mountinfo")
	var lowest *memoryCgroup
	for line := range strings.Lines(string(groups)) {
		// 4:memory:/a of version 1, 0::/a of version 2
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) < 3 {
			continue
		}
		files, kind, option := &cgroupV2, "cgroup2", ""
		if parts[0] != "0" {
			files, kind, option = &cgroupV1, "cgroup", "memory"
		}
		if option != "" && !slices.Contains(strings.Split(parts[1], ","), option) {
			continue
		}
		mount, below := cgroupMount(string(mounts), kind, option, parts[2])
		if mount == "" {
			continue
		}
		if g := limitedCgroup(root, mount, below, files); g != nil && (lowest == nil || g.limit < lowest.limit) {
			lowest = g
		}
	}
	return lowest
}

// limitedCgroup returns the cgroup at the path below mount with the lowest limit of it and those around it; nil: there is no
// limit. Where the memory controller is off in that cgroup, the innermost one around it that has it is returned.
func limitedCgroup(root fs.FS, mount, below string, files *cgroupFiles) *memoryCgroup {
	g := &memoryCgroup{root, path.Join(mount, below), noCgroupLimit, files}
	for found := false; ; below = path.Dir(below) {
		dir := path.Join(mount, below)
		if _, ok := readNumber(root, path.Join(dir, files.usage)); ok && !found {
			g.dir, found = dir, true
		}
		for _, name := range files.limits {
			if n, ok := readNumber(root, path.Join(dir, name)); ok {
				g.limit = min(g.limit, n)
			}
		}
		if below == "/" {
			break
		}
	}
	if g.limit == noCgroupLimit {
		return nil
	}
	return g
}

// cgroupMount returns the path at which cgroups of that kind are mounted, without its first slash, and the path of cgroup
// below it; an empty mount: nowhere. A mount of version 1 has the controller among its options.
func cgroupMount(mounts, kind, controller, cgroup string) (mount, below string) {
	for line := range strings.Lines(mounts) {
		// 35 24 0:30 ROOT MOUNTPOINT rw,nosuid shared:9 - cgroup2 cgroup2 rw
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		place, file := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(file) < 3 || file[0] != kind ||
			controller != "" && !slices.Contains(strings.Split(file[2], ","), controller) {
			continue
		}
		mount = strings.TrimPrefix(place[4], "/")
		// A container may see its own cgroup as the root of the mount.
		if rest, ok := strings.CutPrefix(cgroup+"/", strings.TrimSuffix(place[3], "/")+"/"); ok {
			return mount, path.Join("/", rest)
		}
		return mount, "/"
	}
	return "", ""
}

// used returns the bytes that the cgroup uses, without those that the kernel takes back when memory is short.
func (c *memoryCgroup) used() (bytes uint64, ok bool) {
	bytes, ok = readNumber(c.root, path.Join(c.dir, c.files.usage))
	if !ok {
		return 0, false
	}
	text, _ := fs.ReadFile(c.root, path.Join(c.dir, "memory.stat"))
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil && slices.Contains(c.files.reclaimable, name) {
			bytes -= min(n, bytes)
		}
	}
	return bytes, true
}

func readNumber(root fs.FS, name string) (n uint64, ok bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}
