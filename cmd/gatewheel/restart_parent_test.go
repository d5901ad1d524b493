//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func testRestartParent(t *testing.T) {
	cmd := program(nil, "serve", "--listen", "127.0.0.1:0", "--restart-parent", "always")
	restartsUnderAParent(t, beginReplaceable(t, cmd))
}

// TestRestartOfProcess1: process 1 of a container stays, and so does the container.
func TestRestartOfProcess1(t *testing.T) {
	cmd := program(nil, "serve", "--listen", "127.0.0.1:0")
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWPID
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
	}
	if probe := (&exec.Cmd{Path: toolPath(t, "true"), SysProcAttr: &syscall.SysProcAttr{Cloneflags: cmd.SysProcAttr.Cloneflags}}); probe.Run() != nil {
		// A machine without namespaces: another process acts as process 1.
		cmd = program(nil, "serve", "--listen", "127.0.0.1:0", "--restart-parent", "always")
	}
	restartsUnderAParent(t, beginReplaceable(t, cmd))
}

// restartsUnderAParent: signals reach the process that serves by way of the first one, which ends with it.
func restartsUnderAParent(t *testing.T, r *replaceable) {
	t.Helper()
	first := r.cmd.Process
	signal := func(s os.Signal) {
		t.Helper()
		if err := first.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	r.pid()
	for n := 2; n <= 4; n++ {
		before := r.pids()
		if n == 3 {
			r.putScript("exit 5")
			signal(syscall.SIGUSR2)
			r.failed("exit status 5")
			r.put(os.Args[0])
		}
		signal(syscall.SIGUSR2)
		r.logs(fmt.Sprintf("stopped\t{\"pid\": %d}", before[len(before)-1]))
		r.eventually("the next process serves", func() bool { return len(r.pids()) == n })
		status, text := r.get("/")
		wantHello(t, status, text)
	}
	signal(syscall.SIGUSR1)
	r.logs("nothing to open again")
	signal(syscall.SIGTERM)
	if code := r.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
	if got := strings.Count(r.stderr.String(), "stopping\t"); got != 1 {
		t.Errorf("%d processes were told to stop", got)
	}
}

// TestParentHasTheExitCode of the process that serves.
func TestParentHasTheExitCode(t *testing.T) {
	code, _, stderr := toEnd(t, nil, "serve", "--restart-parent", "always", "--listen", "fd:9")
	if code != exitUsage {
		t.Errorf("exit %d", code)
	}
	oneSentence(t, stderr, "descriptor 9 is not open")

	for _, restarts := range []int{0, 1} {
		r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--restart-parent", "always")
		for n := range restarts {
			r.signalParent(syscall.SIGUSR2)
			r.eventually("the next process serves", func() bool { return len(r.pids()) == n+2 })
			r.started++
		}
		r.logsStops(restarts)
		r.signal(syscall.SIGKILL)
		if code := r.exit(); code != 128+int(syscall.SIGKILL) {
			t.Errorf("after %d restarts: exit %d", restarts, code)
		}
	}
}

func (r *replaceable) signalParent(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// logsStops waits until so many processes have stopped.
func (r *replaceable) logsStops(n int) {
	r.t.Helper()
	r.eventually("the old processes have stopped", func() bool { return strings.Count(r.stderr.String(), "stopped\t") == n })
}

// TestEndOfTheParent ends the process that serves.
func TestEndOfTheParent(t *testing.T) {
	r := serveReplaceable(t, "--listen", "127.0.0.1:0", "--restart-parent", "always")
	r.signalParent(syscall.SIGUSR2)
	r.started++
	r.pid()
	r.logsStops(1)
	r.signalParent(syscall.SIGKILL)
	r.logsStops(2)
}

// TestParentPassesSockets that it has got itself: by number, and from systemd.
func TestParentPassesSockets(t *testing.T) {
	web, also := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "127.0.0.1:0")
	cmd := program([]string{"LISTEN_FDS=1"}, "serve", "--listen", "systemd", "--listen", "fd:5", "--restart-parent", "always")
	cmd.ExtraFiles = append(inherited(t, web), append([]*os.File{nil}, inherited(t, also)...)...)
	r := beginReplaceable(t, startedByShell(t, cmd))
	for range 2 {
		for _, l := range []net.Listener{web, also} {
			if err := getOK(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://"+l.Addr().String()+"/"); err != nil {
				t.Error(err)
			}
		}
		r.signalParent(syscall.SIGUSR2)
		r.started++
		r.pid()
		r.logsStops(r.started - 1)
	}
	_ = web.Close()
	_ = also.Close()
	r.signalParent(syscall.SIGTERM)
	r.exit()
	_, _ = io.Copy(io.Discard, r.stdout)
}
