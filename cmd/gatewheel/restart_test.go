//go:build linux

package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/handover"
)

// replaceable is a server that is replaced at SIGUSR2 by what is at its path. All its processes write to one log.
type replaceable struct {
	*child
	path    string
	started int // processes that have begun to listen
}

// serveReplaceable starts the program by a path of its own. Its processes are a process group.
func serveReplaceable(t *testing.T, args ...string) *replaceable {
	t.Helper()
	return beginReplaceable(t, program(nil, append([]string{"serve"}, args...)...))
}

func beginReplaceable(t *testing.T, cmd *exec.Cmd) *replaceable {
	t.Helper()
	r := &replaceable{path: filepath.Join(t.TempDir(), "gatewheel"), started: 1}
	r.child = &child{t: t}
	r.put(os.Args[0])
	if cmd.Path == os.Args[0] {
		cmd.Path, cmd.Args[0] = r.path, r.path
	}
	cmd.SysProcAttr.Setpgid = true
	r.child = begin(t, cmd)
	group := cmd.Process.Pid
	t.Cleanup(func() {
		select {
		case <-r.ended: // with the last of the processes, since the log is read until then
		default:
			_ = syscall.Kill(-group, syscall.SIGKILL) // children of a parent end with it
		}
	})
	return r
}

// put makes the path name a file.
func (r *replaceable) put(file string) {
	r.t.Helper()
	next := r.path + ".new"
	if err := os.Link(file, next); err != nil {
		content, err := os.ReadFile(file)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(next, content, 0o755); err != nil {
			r.t.Fatal(err)
		}
	}
	if err := os.Rename(next, r.path); err != nil {
		r.t.Fatal(err)
	}
}

// putScript makes the path name a shell script.
func (r *replaceable) putScript(script string) {
	r.t.Helper()
	file := filepath.Join(r.t.TempDir(), "script")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.put(file)
}

var listeningLine = regexp.MustCompile(`listening\t.*"pid": (\d+)`)

// pids returns the processes that have served, the newest one last.
func (r *replaceable) pids() (pids []int) {
	for _, found := range listeningLine.FindAllStringSubmatch(r.stderr.String(), -1) {
		pid, err := strconv.Atoi(found[1])
		if err != nil {
			r.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// pid returns the process that serves.
func (r *replaceable) pid() int {
	r.t.Helper()
	r.eventually("a process serves", func() bool { return len(r.pids()) >= r.started })
	return r.pids()[r.started-1]
}

func (r *replaceable) eventually(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// signal sends a signal to the process that serves.
func (r *replaceable) signal(s syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(r.pid(), s); err != nil {
		r.t.Fatal(err)
	}
}

// restart replaces the process and waits until the old one has stopped.
func (r *replaceable) restart() {
	r.t.Helper()
	old := r.pid()
	r.signal(syscall.SIGUSR2)
	r.started++
	if now := r.pid(); now == old {
		r.t.Fatalf("the process %d serves again", now)
	}
	r.logs(fmt.Sprintf("stopped\t{\"pid\": %d}", old))
}

// fails asks for a restart and waits until the log gives a reason why it has failed.
func (r *replaceable) fails(reason string) {
	r.t.Helper()
	r.signal(syscall.SIGUSR2)
	r.failed(reason)
}

func (r *replaceable) failed(reason string) {
	r.t.Helper()
	r.eventually("a restart has failed for the reason "+reason, func() bool {
		for line := range strings.Lines(r.stderr.String()) {
			if strings.Contains(line, "restart failed, and this process serves on") && strings.Contains(line, reason) {
				return true
			}
		}
		return false
	})
}

// stops ends the processes.
func (r *replaceable) stops() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.exit(); code != exitClean {
		r.t.Errorf("exit %d", code)
	}
}

// TestRestartKeepsTheSockets of every kind, and those of the admin listener.
func TestRestartKeepsTheSockets(t *testing.T) {
	dir := t.TempDir()
	path, admin := filepath.Join(dir, "x.sock"), filepath.Join(dir, "admin.sock")
	passed := inherited(t, listenOn(t, "tcp", "127.0.0.1:0"))
	cmd := program(nil, "serve", "--loops", "2", "--listen", "127.0.0.1:0", "--listen", "unix:"+path, "--listen", "fd:3", "--admin", "unix:"+admin)
	cmd.ExtraFiles = passed
	r := beginReplaceable(t, cmd)
	urls := r.urls
	for range 3 {
		for _, at := range [][]string{{urls[0]}, {"--unix-socket", path, "http://x/"}, {urls[2]}} {
			if got := curl(t, at...); !strings.HasPrefix(got, "Hello, World!") {
				t.Errorf("%q: %s", at, got)
			}
		}
		if got := curl(t, "--unix-socket", admin, "http://localhost/readyz"); !strings.Contains(got, "ready") || !strings.HasSuffix(got, " 200") {
			t.Errorf("the admin listener answers %q", got)
		}
		r.restart()
		if line := r.line(); strings.TrimSpace(line) != fmt.Sprintf("gatewheel %s listens on %s", programVersion(), strings.Join(urls, " and ")) {
			t.Errorf("the next process prints %q", line)
		}
	}
	r.stops()
	for _, file := range []string{path, admin} {
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s remains: %v", file, err)
		}
	}
}

// TestRestartKeepsSocketsOfSystemd under their names.
func TestRestartKeepsSocketsOfSystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	web, local := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "unix", path)
	local.(*net.UnixListener).SetUnlinkOnClose(false)
	cmd := program([]string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web:local"}, "serve", "--listen", "systemd:local", "--listen", "systemd:web")
	cmd.ExtraFiles = inherited(t, web, local)
	r := beginReplaceable(t, startedByShell(t, cmd))
	for range 2 {
		status, text := overUnix(t, path, "/")
		wantHello(t, status, text)
		if got := curl(t, "http://"+web.Addr().String()); !strings.HasPrefix(got, "Hello, World!") {
			t.Error(got)
		}
		r.restart()
	}
	r.stops()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket's file, which is systemd's, is gone: %v", err)
	}
}

// startedByShell starts cmd by a shell that sets LISTEN_PID.
func startedByShell(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = toolPath(t, "sh")
	return cmd
}

// TestRestartWithOtherLoops: the next process accepts from all sockets of the old one, of which it has more than loops, or
// fewer.
func TestRestartWithOtherLoops(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--loops", "3")
	for _, loops := range []int{2, 5, 1, 4} {
		r.putScript(fmt.Sprintf(`exec %q serve --listen 127.0.0.1:0 --loops %d`, os.Args[0], loops))
		r.restart()
		for range 40 {
			status, text := r.get("/")
			wantHello(t, status, text)
		}
	}
	r.stops()
}

// TestRestartFails: after each failure of a new binary the process serves on, logs the reason, and can be replaced.
func TestRestartFails(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--restart-timeout", "2s")
	pid := r.pid()
	busy := listenOn(t, "tcp", "127.0.0.1:0")
	before := r.descriptors()
	for reason, script := range map[string]string{
		"exit status 3":                 "exit 3",
		"signal: killed":                "kill -KILL $$",
		"exit status 0":                 "exit 0",
		"--no-such-flag":                fmt.Sprintf("exec %q serve --no-such-flag", os.Args[0]),
		"address already in use":        fmt.Sprintf("exec %q serve --listen %s", os.Args[0], busy.Addr()),
		"it was not ready within 2s":    "exec sleep 1000",
		"no such file or directory":     "",
		"it has sent the message \\\"x": `printf '{"Type":"x"}' >&3; exec sleep 1000`,
	} {
		if script == "" {
			if err := os.Remove(r.path); err != nil {
				t.Fatal(err)
			}
		} else {
			r.putScript(script)
		}
		r.fails(reason)
		status, text := r.get("/")
		wantHello(t, status, text)
	}
	if r.pid() != pid {
		t.Error("another process serves")
	}
	r.eventually("the descriptors are closed", func() bool { return r.descriptors() <= before })
	r.put(os.Args[0])
	r.restart()
	status, text := r.get("/")
	wantHello(t, status, text)
	r.stops()
}

// descriptors returns the number of open descriptors of the process that serves.
func (r *replaceable) descriptors() int {
	r.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.pid()))
	if err != nil {
		r.t.Fatal(err)
	}
	return len(entries)
}

// hang makes the next process one that never becomes ready, and returns the function that waits for its process ID.
func (r *replaceable) hang() (pid func() int) {
	file := filepath.Join(r.t.TempDir(), "pid")
	r.putScript(fmt.Sprintf("echo $$ >%q.new; mv %q.new %q; exec sleep 1000", file, file, file))
	return func() (pid int) {
		r.t.Helper()
		r.eventually("the new process runs", func() bool {
			text, err := os.ReadFile(file)
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
			return err == nil
		})
		return pid
	}
}

// TestSecondRestartIsIgnored while one is under way.
func TestSecondRestartIsIgnored(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--restart-timeout", "1s")
	hanging := r.hang()
	r.signal(syscall.SIGUSR2)
	pid := hanging()
	r.signal(syscall.SIGUSR2)
	r.logs("SIGUSR2 ignored: a restart is under way")
	r.failed("it was not ready within 1s")
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the new process is there: %v", err)
	}
	if got := strings.Count(r.stderr.String(), "restarting"); got != 1 {
		t.Errorf("%d restarts were begun", got)
	}
}

// TestStopDuringARestart ends the new process as well.
func TestStopDuringARestart(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0")
	hanging := r.hang()
	r.signal(syscall.SIGUSR2)
	pid := hanging()
	r.stops()
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the new process is there: %v", err)
	}
}

// TestCrashDuringARestart: a process that is not in charge yet ends with the one that it was to replace.
func TestCrashDuringARestart(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0")
	r.putScript(fmt.Sprintf(`sleep 0.3; exec %q "$@"`, os.Args[0]))
	r.signal(syscall.SIGUSR2)
	r.logs("restarting")
	r.signal(syscall.SIGKILL)
	r.exit() // all of them
	if _, err := net.Dial("tcp", r.address()); err == nil {
		t.Error("somebody listens")
	}
}

// TestRestartWhileAFileBlocks: a key that cannot be read to its end, by a reload and by the new process, keeps neither a
// restart from its failure nor SIGTERM from its effect.
func TestRestartWhileAFileBlocks(t *testing.T) {
	pair := makePair(t, t.TempDir(), "a.test", nil)
	r := serveReplaceable(t, "--listen-tls", "127.0.0.1:0", "--tls-cert", pair.certFile, "--tls-key", pair.keyFile, "--restart-timeout", "300ms")
	fifo := pair.keyFile + ".fifo"
	if err := errors.Join(unix.Mkfifo(fifo, 0o600), os.Rename(fifo, pair.keyFile)); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGHUP)
	r.eventually("the key is read", func() bool {
		// A FIFO without a reader refuses this. As long as it is open, the reader waits for its end.
		fd, err := unix.Open(pair.keyFile, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			t.Cleanup(func() { _ = unix.Close(fd) })
		}
		return err == nil
	})
	r.fails("it was not ready within 300ms")
	r.signal(syscall.SIGUSR2)
	r.eventually("another restart is under way", func() bool { return strings.Count(r.stderr.String(), "restarting\t") == 2 })
	r.stops()
}

// TestPredecessorEndsBeforeItHandsOver: the new process serves already, and ends with an error, so that a supervisor starts
// another one.
func TestPredecessorEndsBeforeItHandsOver(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	predecessor, far := os.NewFile(uintptr(fds[0]), "predecessor"), os.NewFile(uintptr(fds[1]), "far")
	defer predecessor.Close()
	for _, message := range []string{`{"Type":"begin","Protocol":1}`, `{"Type":"end"}`} {
		if _, err := predecessor.WriteString(message); err != nil {
			t.Fatal(err)
		}
	}
	cmd := program([]string{handover.Variable + "=3"}, "serve", "--listen", "127.0.0.1:0")
	cmd.ExtraFiles = []*os.File{far}
	c := begin(t, cmd)
	_ = far.Close()
	status, text := c.get("/")
	wantHello(t, status, text)
	_ = predecessor.Close()
	if code := c.exit(); code != exitFailure {
		t.Errorf("exit %d", code)
	}
	c.logs(errPredecessorEnded.Error())
}

// TestStopAtTheHandOver: SIGTERM that comes to the old process while the new one takes over ends both.
func TestStopAtTheHandOver(t *testing.T) {
	next, err := handover.Start(t.Context(), exec.Command(toolPath(t, "sleep"), "1000"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.End)
	forwardStop(syscall.SIGTERM, next)
	select {
	case <-next.Ended():
	case <-time.After(patience):
		t.Error("the new process was not told")
	}
}

func testRestartTimeout(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--restart-timeout", "300ms")
	r.hang()
	r.fails("it was not ready within 300ms")
}

// TestRestartFollowsALink: a symbolic link that has changed since the start leads to the new binary.
func TestRestartFollowsALink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "current")
	point := func(to string) {
		t.Helper()
		_ = os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	point(os.Args[0])
	cmd := program(nil, "serve", "--listen", "127.0.0.1:0")
	cmd.Path, cmd.Args[0] = link, link
	r := beginReplaceable(t, cmd)
	script := filepath.Join(dir, "next")
	if err := os.WriteFile(script, []byte(fmt.Sprintf("#!/bin/sh\necho the next one >&2\nexec %q \"$@\"\n", os.Args[0])), 0o755); err != nil {
		t.Fatal(err)
	}
	point(script)
	r.restart()
	if !strings.Contains(r.stderr.String(), "the next one") {
		t.Error("the old binary was started again")
	}
	r.stops()
}

// TestRestartResumesSessions of both TLS versions.
func TestRestartResumesSessions(t *testing.T) {
	r := serveReplaceable(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed")
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := &tls.Config{MaxVersion: version, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for i := range 3 {
			if i > 0 {
				r.restart()
			}
			state, err := handshake(t, r.address(), config)
			if err != nil {
				t.Fatal(err)
			}
			if resumed := i > 0; state.DidResume != resumed {
				t.Errorf("%s: connection %d: resumed %v", tls.VersionName(version), i+1, state.DidResume)
			}
		}
	}
	r.stops()
}

// TestRestartWithABusyConnection: the old process answers it, and stops after that. SIGTERM does not cut it: it may be
// meant for the new process alone.
func TestRestartWithABusyConnection(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--loops", "1")
	old := r.pid()
	busy := r.dial()
	send(t, busy, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx")
	arrived(t, r.child)
	r.signal(syscall.SIGUSR2)
	r.logs("stopping, since another process serves")
	if err := syscall.Kill(old, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.logs("already stopping")
	send(t, busy, "x")
	if got := rest(t, busy); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Errorf("the request under way was answered %q", got)
	}
	r.started++
	status, text := r.get("/")
	wantHello(t, status, text)
	r.stops()
}

// TestServiceManagerIsToldOfARestart: the old process names the new one, which then reports READY. If the manager cannot
// be told, the restart fails.
func TestServiceManagerIsToldOfARestart(t *testing.T) {
	m := newServiceManager(t)
	r := beginReplaceable(t, program([]string{"NOTIFY_SOCKET=" + m.name, "WATCHDOG_USEC=60000000"}, "serve", "--listen", "127.0.0.1:0"))
	m.wantNext("READY=1\n")
	for range 2 {
		r.restart()
		m.wantNext(fmt.Sprintf("MAINPID=%d\n", r.pid()))
		m.wantNext("READY=1\n")
	}
	if err := os.Remove(m.name); err != nil {
		t.Fatal(err)
	}
	r.fails("the service manager cannot be told")
	status, text := r.get("/")
	wantHello(t, status, text)
	r.stops()
}
