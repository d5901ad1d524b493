package deploy_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const unitFolder = "../systemd"

// services has each service with the file of its variables and its command.
var services = map[string]struct{ env, command string }{
	"gatewheel.service":         {"gatewheel.env", "serve"},
	"gatewheel-gateway.service": {"gateway.env", "gateway"},
}

// maxExposure is the most that systemd-analyze security may say, in tenths. What is left is the network, a low port,
// and /proc/sys.
const maxExposure = 20

// installed returns a folder with the units, in which the program is the one of the test.
func installed(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"gatewheel.service", "gatewheel-gateway.service", "gatewheel.socket"} {
		text := strings.ReplaceAll(read(t, filepath.Join(unitFolder, name)), "/usr/bin/gatewheel", gatewheel)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// unknownToOldSystemd is what systemd before 253 says of Type=notify-reload; the units have another type for it.
var unknownToOldSystemd = regexp.MustCompile(`(?m)^.*: Failed to parse service type, ignoring: notify-reload\n`)

func TestUnitsAreValid(t *testing.T) {
	folder := installed(t)
	args := []string{"verify", "--man=no"}
	for _, name := range []string{"gatewheel.service", "gatewheel-gateway.service", "gatewheel.socket"} {
		args = append(args, filepath.Join(folder, name))
	}
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if complaints := unknownToOldSystemd.ReplaceAllString(string(out), ""); err != nil || complaints != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, complaints)
	}
}

func TestServicesAreHardened(t *testing.T) {
	folder := installed(t)
	for name := range services {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager",
			"--threshold="+strconv.Itoa(maxExposure), filepath.Join(folder, name)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Overall exposure level") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// section returns the assignments of a section of a unit, by name.
func section(t *testing.T, unit, name string) map[string][]string {
	t.Helper()
	_, text, found := strings.Cut(read(t, filepath.Join(unitFolder, unit)), "["+name+"]\n")
	if !found {
		t.Fatalf("%s has no section %s", unit, name)
	}
	assignments := map[string][]string{}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[") {
			break
		}
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			assignments[key] = append(assignments[key], value)
		}
	}
	return assignments
}

// TestServicesDifferInTheirCommandOnly: hardening that one of them lacks is a mistake.
func TestServicesDifferInTheirCommandOnly(t *testing.T) {
	own := []string{"ExecStart", "Environment", "EnvironmentFile", "RuntimeDirectory", "LogsDirectory"}
	one, other := section(t, "gatewheel.service", "Service"), section(t, "gatewheel-gateway.service", "Service")
	for _, key := range own {
		delete(one, key)
		delete(other, key)
	}
	if !maps.EqualFunc(one, other, slices.Equal) {
		t.Errorf("gatewheel.service: %v\ngatewheel-gateway.service: %v", one, other)
	}
}

// TestServiceLeavesTimeToDrain: systemd ends the process only after the process's own limits.
func TestServiceLeavesTimeToDrain(t *testing.T) {
	for name, s := range services {
		assignments := section(t, name, "Service")
		delay := duration(t, strings.TrimPrefix(find(assignments["Environment"], "GATEWHEEL_DRAIN_DELAY="), "GATEWHEEL_DRAIN_DELAY="))
		stop, err := strconv.Atoi(assignments["TimeoutStopSec"][0])
		if err != nil {
			t.Fatal(err)
		}
		if limit := delay + defaultOf(t, s.command, "shutdown-timeout"); time.Duration(stop)*time.Second <= limit {
			t.Errorf("%s: TimeoutStopSec is %d s, and the end may take %v", name, stop, limit)
		}
		watchdog, err := strconv.Atoi(assignments["WatchdogSec"][0])
		if err != nil {
			t.Fatal(err)
		}
		if stall := defaultOf(t, s.command, "stall-timeout"); time.Duration(watchdog)*time.Second <= 2*stall {
			t.Errorf("%s: WatchdogSec is %d s, and the server's own watchdog acts after %v", name, watchdog, stall)
		}
	}
}

// find returns the first text with that prefix, or "".
func find(texts []string, prefix string) string {
	for _, text := range texts {
		if strings.HasPrefix(text, prefix) {
			return text
		}
	}
	return ""
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// defaultOf returns the default of a flag that is a time.
func defaultOf(t *testing.T, command, flag string) time.Duration {
	t.Helper()
	m := regexp.MustCompile(`--` + flag + `=(\S+)`).FindStringSubmatch(help(t, command))
	if m == nil {
		t.Fatalf("gatewheel %s has no flag --%s", command, flag)
	}
	return duration(t, m[1])
}

var variable = regexp.MustCompile(`(?m)^#?(GATEWHEEL_[A-Z0-9_]+)=`)

// TestVariablesOfServices: those of the units and of the example files, commented out or not, stand for flags, and each
// service starts with its own.
func TestVariablesOfServices(t *testing.T) {
	for name, s := range services {
		assignments := section(t, name, "Service")
		if got, want := assignments["EnvironmentFile"][0], "-/etc/gatewheel/"+s.env; got != want {
			t.Errorf("%s reads %s, want %s", name, got, want)
		}
		var names []string
		for _, m := range variable.FindAllStringSubmatch(read(t, filepath.Join(unitFolder, s.env)), -1) {
			names = append(names, m[1])
		}
		env := []string{}
		for _, text := range assignments["Environment"] {
			key, value, _ := strings.Cut(text, "=")
			names = append(names, key)
			env = append(env, key+"="+strings.Replace(value, "/run/"+strings.TrimSuffix(name, ".service"), t.TempDir(), 1))
		}
		wantVariables(t, s.command, names...)
		start(t, append(env, "GATEWHEEL_LISTEN=127.0.0.1:0", "GATEWHEEL_DRAIN_DELAY=1ms"), commandOf(t, name)...).stop()
	}
}

// commandOf returns the arguments with which a service starts the program, with a file for the gateway that exists.
func commandOf(t *testing.T, service string) []string {
	t.Helper()
	command := strings.Fields(strings.TrimPrefix(section(t, service, "Service")["ExecStart"][0], "/usr/bin/gatewheel "))
	for i, arg := range command {
		command[i] = strings.Replace(arg, "/etc/gatewheel/gateway.yaml", root+"/examples/gateway/smallest.yaml", 1)
	}
	return command
}

// systemCalls adds the system calls of a group, such as @system-service, to calls, as systemd knows them.
func systemCalls(t *testing.T, group string, calls map[string]bool) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "syscall-filter", "--no-pager", group).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", group, err)
	}
	for line := range strings.Lines(string(out)) {
		switch name := strings.TrimSpace(line); {
		case name == group || name == "" || strings.HasPrefix(name, "#"):
		case strings.HasPrefix(name, "@"):
			systemCalls(t, name, calls)
		default:
			calls[name] = true
		}
	}
}

// allowedCalls returns the system calls that the filter of a service allows.
func allowedCalls(t *testing.T, service string) map[string]bool {
	t.Helper()
	allowed := map[string]bool{}
	for _, filter := range section(t, service, "Service")["SystemCallFilter"] {
		groups, denied := strings.CutPrefix(filter, "~")
		calls := map[string]bool{}
		for group := range strings.FieldsSeq(groups) {
			systemCalls(t, group, calls)
		}
		for call := range calls {
			if denied {
				delete(allowed, call)
			} else {
				allowed[call] = true
			}
		}
	}
	return allowed
}

var (
	tracedCall = regexp.MustCompile(`(?m)^\d+ +(\w+)\(`)
	tracedEnd  = regexp.MustCompile(`(?m)^\d+ +\+\+\+ exited with 0 \+\+\+\n\z`)
)

// TestServicesMayMakeTheirSystemCalls: strace sees no call, from the start over a reload to the end, that the filter of
// the service denies.
func TestServicesMayMakeTheirSystemCalls(t *testing.T) {
	for name := range services {
		trace := filepath.Join(t.TempDir(), "trace")
		// -D: the process is the program, and strace a child of it.
		args := append([]string{"-D", "-f", "-o", trace, gatewheel}, commandOf(t, name)...)
		p := launch(t, []string{"GATEWHEEL_LISTEN=127.0.0.1:0", "GATEWHEEL_ADMIN=:0", "GATEWHEEL_ADMIN_TOKEN_FILE=" + tokenFile(t)}, exec.Command("strace", args...))
		if got := p.get("/readyz"); got != 200 {
			t.Errorf("%s: /readyz answers %d", name, got)
		}
		if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		for !strings.Contains(p.line(), "again") {
		}
		p.stop()
		text := ""
		for deadline := time.Now().Add(patience); !tracedEnd.MatchString(text); text = read(t, trace) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: the trace does not end: %s", name, text)
			}
			time.Sleep(10 * time.Millisecond)
		}
		allowed := allowedCalls(t, name)
		denied := map[string]bool{}
		for _, m := range tracedCall.FindAllStringSubmatch(text, -1) {
			if !allowed[m[1]] {
				denied[m[1]] = true
			}
		}
		if len(denied) > 0 || len(allowed) < 100 {
			t.Errorf("%s: its filter allows %d system calls, and not %q", name, len(allowed), slices.Sorted(maps.Keys(denied)))
		}
	}
}

// tokenFile returns a file for --admin-token-file.
func tokenFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
