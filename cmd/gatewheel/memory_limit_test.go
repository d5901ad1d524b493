//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
	"testing/fstest"
)

// testMemoryLimit: the limit is that of the flag, of GOMEMLIMIT, or none.
func testMemoryLimit(t *testing.T) {
	for _, one := range []struct {
		environment string
		args        []string
		want        string // of the log; "": nothing about a limit
	}{
		{"GOMEMLIMIT=", []string{"--memory-limit", "64MiB"}, `{"bytes": 67108864, "from": "--memory-limit"}`},
		{"GOMEMLIMIT=100MiB", []string{"--memory-limit", "64MiB"}, `{"bytes": 67108864, "from": "--memory-limit"}`},
		{"GOMEMLIMIT=100MiB", nil, `{"bytes": 104857600, "from": "GOMEMLIMIT"}`},
		{"GOMEMLIMIT=100MiB", []string{"--memory-limit", "off"}, ""},
		{"GOMEMLIMIT=off", nil, ""},
	} {
		c := begin(t, program([]string{one.environment}, append([]string{"serve", "--listen", "127.0.0.1:0"}, one.args...)...))
		c.logs("listening")
		if _, limit, _ := strings.Cut(c.stderr.String(), "memory limit\t"); !strings.HasPrefix(limit, one.want) || one.want == "" && limit != "" {
			t.Errorf("%s %v: the log has\n%s\nwant %q", one.environment, one.args, c.stderr.String(), one.want)
		}
	}
	for _, wrong := range []string{"", "1", "31MiB", "none", "64MB", "-1"} {
		code, _, text := toEnd(t, nil, "serve", "--memory-limit="+wrong)
		if code != 64 || !strings.Contains(text, "--memory-limit") {
			t.Errorf("--memory-limit=%q: exit code %d, %s", wrong, code, text)
		}
	}
}

// The lowest memory.high of a cgroup and those around it counts, wherever the container's view begins.
func TestMemoryHigh(t *testing.T) {
	const (
		host      = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		container = "30 24 0:26 /kube/pod /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
		hybrid    = "29 24 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	)
	none := uint64(math.MaxUint64)
	for _, one := range []struct {
		why, mounts, cgroup string
		high                map[string]string // by cgroup, below sys/fs/cgroup
		want                uint64
	}{
		{"of the cgroup itself", host, "0::/system.slice/a.service\n", map[string]string{"system.slice/a.service": "1000\n", "system.slice": "max\n"}, 1000},
		{"of one around it", host, "0::/system.slice/a.service\n", map[string]string{"system.slice/a.service": "1000\n", "system.slice": "900\n"}, 900},
		{"none", host, "0::/system.slice/a.service\n", map[string]string{"system.slice/a.service": "max\n"}, none},
		{"the namespace of a container", host, "0::/\n", map[string]string{".": "800\n"}, 800},
		{"a container in the host's namespace", container, "0::/kube/pod/c1\n", map[string]string{"c1": "700\n", ".": "max\n"}, 700},
		{"a cgroup outside of the mount", container, "0::/../other\n", map[string]string{".": "600\n"}, 600},
		{"version 1 beside it", hybrid, "4:memory:/a\n0::/b\n", map[string]string{"unified/b": "500\n"}, 500},
		{"version 1 alone", strings.SplitAfter(hybrid, "\n")[0], "4:memory:/a\n", nil, none},
		{"nothing", "", "", nil, none},
	} {
		root := fstest.MapFS{"proc/self/cgroup": {Data: []byte(one.cgroup)}, "proc/self/mountinfo": {Data: []byte(one.mounts)}}
		for name, text := range one.high {
			file := "sys/fs/cgroup/" + name + "/memory.high"
			root[strings.Replace(file, "/./", "/", 1)] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memoryHigh(root); got != one.want {
			t.Errorf("%s: %d, want %d", one.why, got, one.want)
		}
	}
}
