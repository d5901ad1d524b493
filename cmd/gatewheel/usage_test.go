//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}, {"serve", "--version"}} {
		code, out, _ := toEnd(t, nil, args...)
		if code != exitClean || !regexp.MustCompile(`^gatewheel \S+( commit [0-9a-f]{12}(\+dirty)?)? go1\.\S+ linux/\w+\n$`).MatchString(out) {
			t.Errorf("%q: exit %d, printed %q", args, code, out)
		}
	}
}

// TestVersionOfBuild: the version and the commit come from the build information of go install and go build.
func TestVersionOfBuild(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}}
	for _, c := range []struct {
		want, commit string
		info         *debug.BuildInfo
	}{
		{"devel", "", nil},
		{"devel", "", &debug.BuildInfo{}},
		{"devel", "", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}},
		{"v1.2.3", "0123456789ab", &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: commit}},
		{"devel-0123456789ab", "0123456789ab", &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: commit}},
		{"devel-0123456789ab+dirty", "0123456789ab+dirty", &debug.BuildInfo{Settings: append(commit, debug.BuildSetting{Key: "vcs.modified", Value: "true"})}},
	} {
		if got := versionOf(c.info); got != c.want {
			t.Errorf("%+v: %s, want %s", c.info, got, c.want)
		}
		if got := commitOf(c.info); got != c.commit {
			t.Errorf("%+v: commit %s, want %s", c.info, got, c.commit)
		}
	}
}

// documented returns the flags in the help of serve.
func documented(t *testing.T) []string {
	t.Helper()
	code, out, stderr := toEnd(t, nil, "serve", "--help")
	if code != exitClean || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^ +(?:-\w, )?--(?:\[no-\])?([a-z0-9-]+)`).FindAllStringSubmatch(out, -1) {
		if m[1] != "help" {
			names = append(names, m[1])
		}
	}
	if len(names) < 10 {
		t.Fatalf("the help names only %q:\n%s", names, out)
	}
	return names
}

func TestHelpIsGroupedAndFitsAScreen(t *testing.T) {
	helpIsGrouped(t, "serve", "gateway") // the group of that name
	helpIsGrouped(t, "gateway", "application", "websocket")
}

// helpIsGrouped wants the groups in their order, but for those that the command lacks.
func helpIsGrouped(t *testing.T, command string, lacks ...string) {
	t.Helper()
	_, out, _ := toEnd(t, nil, command, "--help")
	at := 0
	for _, g := range groups {
		if slices.Contains(lacks, g.Key) {
			continue
		}
		i := strings.Index(out[at:], "\n"+g.Title+"\n")
		if i < 0 {
			t.Errorf("the heading %q is not there, or not in its place", g.Title)
			continue
		}
		at += i
	}
	for line := range strings.Lines(out) {
		if len(line) > 101 {
			t.Errorf("%d bytes: %q", len(line), line)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestMistakes: a usage error is one sentence on stderr and exit code 64.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		name string
		env  []string
		args []string
		says string
	}{
		{name: "nothing asked", says: "serve"},
		{name: "unknown command", args: []string{"server"}, says: "server"},
		{name: "unknown flag", args: []string{"serve", "--lissten", ":1"}, says: "--lissten"},
		{name: "address without port", args: []string{"serve", "--listen", "localhost"}, says: "no port"},
		{name: "not a duration", args: []string{"serve", "--idle-timeout", "soon"}, says: "soon"},
		{name: "not a number", args: []string{"serve", "--loops", "many"}, says: "many"},
		{name: "not a size", args: []string{"serve", "--max-body", "10MB"}, says: "10MB"},
		{name: "not a mode", args: []string{"serve", "--socket-mode", "rw"}, says: "rw"},
		{name: "negative number as a word", args: []string{"serve", "--loops", "-2"}, says: "from 0 to 1024"},
		{name: "no number", args: []string{"serve", "--loops"}, says: "from 0 to 1024"},
		{name: "not a network", args: []string{"serve", "--trust-proxy", "10.0.0.0/33"}, says: "10.0.0.0/33"},
		{name: "level", args: []string{"serve", "--log-level", "loud"}, says: "loud"},
		{name: "format", args: []string{"serve", "--log-format", "xml"}, says: "xml"},
		{name: "PROXY mode", args: []string{"serve", "--proxy-protocol", "on"}, says: "on"},
		{name: "PROXY from anybody", args: []string{"serve", "--proxy-protocol", "accept"}, says: "--proxy-from"},
		{name: "PROXY networks unused", args: []string{"serve", "--proxy-from", "10.0.0.0/8"}, says: "--proxy-protocol"},
		{name: "PROXY network", args: []string{"serve", "--proxy-protocol", "require", "--proxy-from", "ten"}, says: "ten"},
		{name: "no certificate", args: []string{"serve", "--listen-tls", "127.0.0.1:0"}, says: "--tls-cert"},
		{name: "half a pair", args: []string{"serve", "--listen-tls", "127.0.0.1:0", "--tls-cert", "a.pem"}, says: "pairs"},
		{name: "TLS without a listener", args: []string{"serve", "--tls-self-signed"}, says: "--listen-tls"},
		{name: "authority unused", args: []string{"serve", "--listen-tls", ":0", "--tls-self-signed", "--tls-client-ca", "a.pem"}, says: "--tls-client-auth"},
		{name: "authority missing", args: []string{"serve", "--listen-tls", ":0", "--tls-self-signed", "--tls-client-auth", "require"}, says: "--tls-client-ca"},
		{name: "TLS version", args: []string{"serve", "--tls-min-version", "1.1"}, says: "1.1"},
		{name: "variable", env: []string{"GATEWHEEL_IDLE_TIMEOUT=soon"}, args: []string{"serve"}, says: "soon"},
		{name: "empty address", args: []string{"serve", "--listen", ""}, says: "--listen: the value is empty"},
		{name: "no address", args: []string{"serve", "--listen"}, says: "--listen: the value is missing"},
		{name: "no directory", args: []string{"serve", "--root"}, says: "--root: the value is missing"},
		{name: "empty TLS address", args: []string{"serve", "--listen-tls", "", "--tls-self-signed"}, says: "--listen-tls: the value is empty"},
		{name: "empty variable", env: []string{"GATEWHEEL_LISTEN="}, args: []string{"serve"}, says: "GATEWHEEL_LISTEN"},
		{name: "one address of two", args: []string{"serve", "--listen", "127.0.0.1:0,"}, says: "127.0.0.1:0,"},
		{name: "PROXY from an empty network", args: []string{"serve", "--listen", "127.0.0.1:0", "--proxy-protocol", "require", "--proxy-from", ""}, says: "--proxy-from"},
		{name: "empty pair", args: []string{"serve", "--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-cert", "", "--tls-key", ""}, says: "--tls-cert"},
		{name: "empty directory", args: []string{"serve", "--listen", "127.0.0.1:0", "--root="}, says: "--root"},
		{name: "unix socket twice", args: []string{"serve", "--listen", "unix:twice.sock", "--listen", "unix:./twice.sock"}, says: `"unix:./twice.sock" is given twice`},
		{name: "abstract socket twice", args: []string{"serve", "--listen", "unix:@gatewheel-twice", "--listen", "unix:@gatewheel-twice"}, says: "given twice"},
		{name: "address twice", args: []string{"serve", "--listen", "127.0.0.1:9", "--listen-tls", "127.0.0.1:09", "--tls-self-signed"}, says: `"127.0.0.1:09" is given twice`},
		{name: "name twice", args: []string{"serve", "--listen", "localhost:9,localhost:9"}, says: "given twice"},
		{name: "address among all", args: []string{"serve", "--listen", ":9", "--listen", "127.0.0.1:9"}, says: `"127.0.0.1:9" is one of ":9"`},
		{name: "all behind an address", args: []string{"serve", "--listen", "127.0.0.1:9", "--listen", "0.0.0.0:9"}, says: `"127.0.0.1:9" is one of "0.0.0.0:9"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out, stderr := toEnd(t, c.env, c.args...)
			if code != exitUsage {
				t.Errorf("exit %d, want %d", code, exitUsage)
			}
			oneSentence(t, stderr, c.says)
			if out != "" {
				t.Errorf("stdout has %q", out)
			}
		})
	}
}

func oneSentence(t *testing.T, stderr, says string) {
	t.Helper()
	if strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "gatewheel: ") || !strings.Contains(stderr, says) {
		t.Errorf("stderr is %q, want one sentence that says %q", stderr, says)
	}
}

// TestFailures: a failure that is not a usage error ends with exit code 1.
func TestFailures(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	absent := filepath.Join(t.TempDir(), "absent")
	broken := filepath.Join(t.TempDir(), "broken.pem")
	if err := os.WriteFile(broken, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		says string
	}{
		{"port in use", []string{"--listen", taken.Addr().String()}, taken.Addr().String()},
		{"no such directory", []string{"--listen", "127.0.0.1:0", "--root", absent}, absent + ": no such file or directory"},
		{"no directory", []string{"--listen", "127.0.0.1:0", "--root", broken}, "--root: open " + broken},
		{"no such certificate", []string{"--listen-tls", "127.0.0.1:0", "--tls-cert", absent, "--tls-key", broken}, "--tls-cert: open " + absent},
		{"no such key", []string{"--listen-tls", "127.0.0.1:0", "--tls-cert", broken, "--tls-key", absent}, "--tls-key: open " + absent},
		{"no such authority", []string{"--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-client-auth", "require", "--tls-client-ca", absent}, "--tls-client-ca: open " + absent},
		{"broken authority", []string{"--listen-tls", "127.0.0.1:0", "--tls-self-signed", "--tls-client-auth", "require", "--tls-client-ca", broken}, broken},
		{"broken certificate", []string{"--listen-tls", "127.0.0.1:0", "--tls-cert", broken, "--tls-key", broken}, broken},
		{"no folder for the socket", []string{"--listen", "unix:" + filepath.Join(absent, "x.sock")}, absent},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := toEnd(t, nil, append([]string{"serve", "--log-level", "error"}, c.args...)...)
			if code != exitFailure {
				t.Errorf("exit %d, want %d", code, exitFailure)
			}
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			oneSentence(t, lines[len(lines)-1]+"\n", c.says)
			if strings.Contains(stderr, "goroutine ") {
				t.Errorf("a stack is in %q", stderr)
			}
		})
	}
}

// Help that cannot be written is no wrong flag.
func TestHelpOnAFullDisk(t *testing.T) {
	cmd := program(nil, "serve", "--help")
	cmd.Stdout = openFile(t, "/dev/full", os.O_WRONLY)
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != exitFailure {
		t.Errorf("exit code %d", code)
	}
}
