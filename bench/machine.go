package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// machine describes where and with what a run was measured.
type machine struct {
	CPU        string            `json:"cpu"`
	Processors int               `json:"processors"`
	Memory     int64             `json:"memory_bytes"`
	Kernel     string            `json:"kernel"`
	System     string            `json:"system"`
	Go         string            `json:"go"`
	Revision   string            `json:"revision,omitempty"` // of the gatewheel that was measured
	Versions   map[string]string `json:"versions"`           // of rivals and load generators
	Load       string            `json:"load,omitempty"`     // the load averages at the start
	Started    time.Time         `json:"started"`
	Command    string            `json:"command"`
}

// versionCommands print the versions of programs that a case may start.
var versionCommands = map[string][]string{
	"nginx":   {"nginx", "-v"},
	"h2o":     {"h2o", "-v"},
	"haproxy": {"haproxy", "-v"},
	"caddy":   {"caddy", "version"},
	"nghttpd": {"nghttpd", "--version"},
	"nghttpx": {"nghttpx", "--version"},
	"h2load":  {"h2load", "--version"},
	"wrk":     {"wrk", "-v"},
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)

// describeMachine returns the description of this machine, and of the binary at that path.
func describeMachine(gatewheel string, args []string) machine {
	m := machine{
		Processors: runtime.NumCPU(), Go: runtime.Version(), Versions: map[string]string{}, Started: time.Now().UTC().Round(time.Second),
		CPU: fileValue("/proc/cpuinfo", "model name"), System: strings.Trim(fileValue("/etc/os-release", "PRETTY_NAME"), `"`),
		Command: strings.Join(append([]string{"bench"}, args...), " "),
	}
	kilobytes, _, _ := strings.Cut(fileValue("/proc/meminfo", "MemTotal"), " ")
	if n, err := strconv.ParseInt(kilobytes, 10, 64); err == nil {
		m.Memory = n << 10
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		m.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	for program, argv := range versionCommands {
		path, err := installed(argv[0])
		if err != nil {
			continue
		}
		// Some print their version and fail.
		out, _ := exec.Command(path, argv[1:]...).CombinedOutput()
		m.Versions[program] = versionNumber.FindString(string(out))
	}
	for _, module := range goRivals() {
		m.Versions[module.name] = module.version
	}
	if out, err := exec.Command(gatewheel, "--version").Output(); err == nil {
		m.Revision = strings.TrimSpace(string(out))
	}
	return m
}

// fileValue returns the value of the first line NAME: VALUE or NAME=VALUE of a file, or "".
func fileValue(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(text) {
		before, after, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			before, after, ok = bytes.Cut(line, []byte("="))
		}
		if ok && string(bytes.TrimSpace(before)) == name {
			return string(bytes.TrimSpace(after))
		}
	}
	return ""
}

// busyAtStart reports whether more processes were running or ready, in the minute before, than there are processors.
func (m *machine) busyAtStart() bool {
	minute, _, _ := strings.Cut(m.Load, " ")
	average, err := strconv.ParseFloat(minute, 64)
	return err == nil && average > float64(m.Processors)
}
