//go:build linux

package main

import (
	"path"
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
		{"GOMEMLIMIT=10MiB", nil, ""},
	} {
		c := begin(t, program([]string{one.environment}, append([]string{"serve", "--listen", "127.0.0.1:0"}, one.args...)...))
		c.logs("listening")
		if _, limit, _ := strings.Cut(c.stderr.String(), "memory limit\t"); !strings.HasPrefix(limit, one.want) || one.want == "" && limit != "" {
			t.Errorf("%s %v: the log has\n%s\nwant %q", one.environment, one.args, c.stderr.String(), one.want)
		}
	}
	low := begin(t, program([]string{"GOMEMLIMIT=10MiB"}, "serve", "--listen", "127.0.0.1:0"))
	low.logs("the memory limit is too low to shed load near it")
	if status, _ := low.get("/"); status != 200 {
		t.Errorf("GOMEMLIMIT=10MiB: status %d", status)
	}
	for _, wrong := range []string{"", "1", "31MiB", "none", "64MB", "-1"} {
		code, _, text := toEnd(t, nil, "serve", "--memory-limit="+wrong)
		if code != 64 || !strings.Contains(text, "--memory-limit") {
			t.Errorf("--memory-limit=%q: exit code %d, %s", wrong, code, text)
		}
	}
}

// The lowest limit of the process's cgroup and those around it counts, and the memory of its own, wherever the container's
// view begins.
func TestMemoryCgroup(t *testing.T) {
	const (
		host      = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		container = "30 24 0:26 /kube/pod /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw\n"
		hybrid    = "28 24 0:24 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n29 24 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		docker    = "29 24 0:25 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
		unlimited = "9223372036854771712\n"
	)
	for _, one := range []struct {
		why, mounts, cgroup string
		files               map[string]string // below sys/fs/cgroup
		want                uint64            // 0: none
		dir                 string
	}{
		{"of the cgroup itself", host, "0::/s/a\n", map[string]string{"s/a/memory.max": "1000\n", "s/memory.max": "max\n"}, 1000, "s/a"},
		{"of one around it", host, "0::/s/a\n", map[string]string{"s/a/memory.max": "1000\n", "s/memory.max": "900\n", "s/a/memory.current": "1\n", "s/memory.current": "2\n"}, 900, "s/a"},
		{"of one around it, without the controller in the cgroup itself", host, "0::/s/a\n", map[string]string{"s/memory.max": "900\n", "s/memory.current": "2\n"}, 900, "s"},
		{"memory.high below memory.max", host, "0::/s/a\n", map[string]string{"s/a/memory.max": "1000\n", "s/a/memory.high": "850\n"}, 850, "s/a"},
		{"none", host, "0::/s/a\n", map[string]string{"s/a/memory.max": "max\n", "s/a/memory.high": "max\n"}, 0, ""},
		{"the namespace of a container", host, "0::/\n", map[string]string{"memory.max": "800\n"}, 800, ""},
		{"a container in the host's namespace", container, "0::/kube/pod/c1\n", map[string]string{"c1/memory.max": "700\n", "memory.max": "max\n"}, 700, "c1"},
		{"a name that begins alike", container, "0::/kube/pods\n", map[string]string{"memory.max": "650\n", "s/memory.max": "1\n"}, 650, ""},
		{"a cgroup outside of the mount", container, "0::/../other\n", map[string]string{"memory.max": "600\n"}, 600, ""},
		{"version 1", hybrid, "5:cpu:/a/b\n4:memory:/a/b\n0::/c\n", map[string]string{"memory/a/b/memory.limit_in_bytes": unlimited, "memory/a/memory.limit_in_bytes": "500\n", "memory/memory.limit_in_bytes": unlimited}, 500, "memory/a/b"},
		{"version 1 in a container", docker, "4:memory:/docker/1\n", map[string]string{"memory/memory.limit_in_bytes": "400\n"}, 400, "memory"},
		{"version 1 without a limit", hybrid, "4:memory:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": unlimited}, 0, ""},
		{"nothing", "", "", nil, 0, ""},
	} {
		root := fstest.MapFS{"proc/self/cgroup": {Data: []byte(one.cgroup)}, "proc/self/mountinfo": {Data: []byte(one.mounts)}}
		for name, text := range one.files {
			root["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		got := findMemoryCgroup(root)
		if one.want == 0 {
			if got != nil {
				t.Errorf("%s: found %+v", one.why, got)
			}
			continue
		}
		if dir := path.Join("sys/fs/cgroup", one.dir); got == nil || got.limit != one.want || got.dir != dir {
			t.Errorf("%s: found %+v, want %d of %s", one.why, got, one.want, dir)
		}
	}
}

// What a cgroup uses is without what the kernel takes back: pages of files, and with version 2 their names and inodes.
func TestMemoryOfACgroup(t *testing.T) {
	root := fstest.MapFS{
		"v2/memory.current":        {Data: []byte("1000\n")},
		"v2/memory.stat":           {Data: []byte("anon 500\nactive_file 100\ninactive_file 200\nfile 300\nslab_reclaimable 50\nslab_unreclaimable 20\nslab 70\n")},
		"v1/memory.usage_in_bytes": {Data: []byte("2000\n")},
		"v1/memory.stat":           {Data: []byte("inactive_file 1\ntotal_inactive_file 600\ntotal_active_file 300\n")},
	}
	for _, one := range []struct {
		cgroup memoryCgroup
		want   uint64
	}{{memoryCgroup{root, "v2", 0, &cgroupV2}, 650}, {memoryCgroup{root, "v1", 0, &cgroupV1}, 1100}} {
		if used, ok := one.cgroup.used(); !ok || used != one.want {
			t.Errorf("%s uses %d, %v, want %d", one.cgroup.dir, used, ok, one.want)
		}
	}
	if _, ok := (&memoryCgroup{root, "gone", 0, &cgroupV2}).used(); ok {
		t.Error("a cgroup that is gone uses something")
	}
}
