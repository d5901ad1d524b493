//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// restartParent says when a process serves in a child: auto, always or never.
type restartParent string

// parentVariable is the environment variable with the number of a child's descriptor of the connection to its parent.
const parentVariable = "GATEWHEEL_PARENT_FD"

// wanted reports whether this process is to be the parent of the one that serves.
func (p restartParent) wanted() bool {
	_, child := os.LookupEnv(parentVariable)
	if before, err := predecessor(); child || before != nil || err != nil {
		return false
	}
	return p == "always" || p == "auto" && os.Getpid() == 1
}

// parent is a process that stays over restarts. It starts the process that serves, forwards signals to it and to those
// that take over from it, reaps what ends, and ends with the exit code of the last one.
type parent struct {
	line     int    // descriptor of the parent's end of the connection; -1: closed by all children
	told     []byte // an incomplete line from the connection
	serving  int    // process ID
	children []int  // process IDs of the one that serves and of those that drain
	code     exitCode
}

// exitCode is the exit code of a child, which has written the reason to the log. The program ends with it.
type exitCode int

// Error implements error.
func (c exitCode) Error() string { return "exit code " + strconv.Itoa(int(c)) }

// forwarded are the signals that a parent forwards.
var forwarded = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// runAsParent serves in a child. It returns when no child is left.
func runAsParent(this executable) error {
	received := make(chan os.Signal, 16)
	signal.Notify(received, append(slices.Clone(forwarded), syscall.SIGCHLD)...)
	p := &parent{}
	if err := p.start(this); err != nil {
		return fmt.Errorf("--restart-parent: %w", err)
	}
	for s := range received {
		p.listen()
		if s != syscall.SIGCHLD {
			p.forward(s.(syscall.Signal))
			continue
		}
		p.reap()
		if len(p.children) == 0 {
			break
		}
	}
	if p.code == exitClean {
		return nil
	}
	return p.code
}

// start starts the process that serves. It gets the descriptors that this one has inherited, under the same numbers, and
// a process group of its own: a terminal sends its signals to the parent alone, which forwards them.
func (p *parent) start(this executable) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	p.line = fds[0]
	// A process whose parent ends becomes a child of this one, as if it were process 1.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl PR_SET_CHILD_SUBREAPER", err)
	}
	inherited, err := inheritedDescriptors()
	if err != nil {
		return err
	}
	passed := []uintptr{0, 1, 2}
	for _, fd := range inherited {
		for len(passed) < fd {
			passed = append(passed, ^uintptr(0)) // closed in the child
		}
		passed = append(passed, uintptr(fd))
	}
	variables := append(os.Environ(), parentVariable+"="+strconv.Itoa(len(passed)))
	pid, err := syscall.ForkExec(this.path, this.arguments, &syscall.ProcAttr{
		Env: variables, Files: append(passed, uintptr(fds[1])), Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return &os.PathError{Op: "fork/exec", Path: this.path, Err: err}
	}
	p.serving, p.children = pid, []int{pid}
	for _, fd := range append(inherited, fds[1]) {
		_ = unix.Close(fd) // a listening socket ends with those that accept
	}
	return nil
}

// inheritedDescriptors returns the descriptors beyond standard error that the parent of this process has left open,
// sorted. The process itself opens all with close-on-exec.
func inheritedDescriptors() (fds []int, err error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && !errors.Is(err, os.ErrNotExist) { // without /proc, none are known
		return nil, err
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	slices.Sort(fds)
	return fds, nil
}

// forward sends a signal to the children. A restart concerns the one that serves.
func (p *parent) forward(s syscall.Signal) {
	children := p.children
	if s == syscall.SIGUSR2 {
		children = []int{p.serving}
	}
	for _, pid := range children {
		_ = syscall.Kill(pid, s)
	}
}

// listen reads which processes have taken over since the last call. It does not wait.
func (p *parent) listen() {
	for buffer := make([]byte, 256); p.line >= 0; {
		n, err := unix.Read(p.line, buffer)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case n <= 0:
			_ = unix.Close(p.line)
			p.line = -1
			return
		}
		p.told = append(p.told, buffer[:n]...)
		for {
			line, rest, complete := bytes.Cut(p.told, []byte("\n"))
			if !complete {
				break
			}
			p.told = rest
			if pid, err := strconv.Atoi(string(line)); err == nil && pid > 1 {
				p.serving = pid
				p.children = append(p.children, pid)
			}
		}
	}
}

// reap reaps all processes that have ended.
func (p *parent) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if pid <= 0 {
			break
		}
		p.listen()
		if i := slices.Index(p.children, pid); i >= 0 {
			p.children = slices.Delete(p.children, i, i+1)
			if pid == p.serving || p.code == exitClean && !exists(p.serving) {
				p.code = codeOf(status)
			}
		}
	}
	// One that has taken over and has ended before its parent was reaped by that.
	p.children = slices.DeleteFunc(p.children, func(pid int) bool { return !exists(pid) })
}

// exists reports whether there is a process pid that was not reaped.
func exists(pid int) bool { return syscall.Kill(pid, 0) != syscall.ESRCH }

// codeOf returns the exit code of a process, in the way of a shell for one that a signal has ended.
func codeOf(status unix.WaitStatus) exitCode {
	if status.Signaled() {
		const bySignal = 128
		return exitCode(bySignal + int(status.Signal()))
	}
	return exitCode(status.ExitStatus())
}

// parentLine is the connection to a parent that stays over restarts. A nil parentLine is none.
type parentLine struct{ conn *net.UnixConn }

// parentFromEnv returns the connection to the parent that has started this process; nil if there is none. Sockets that the
// service manager has passed to the parent are this process's now.
func parentFromEnv() (*parentLine, error) {
	text, ok := os.LookupEnv(parentVariable)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(parentVariable)
	if os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getppid()) {
		_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	fd, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%s is %q, want the number of a descriptor", parentVariable, text)
	}
	return openParentLine(int(fd))
}

// openParentLine returns the connection with that descriptor, which it closes.
func openParentLine(fd int) (*parentLine, error) {
	unix.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "parent")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("the connection to the parent: %w", err)
	}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, errors.New("the connection to the parent is not a unix socket")
	}
	return &parentLine{c}, nil
}

// tell tells the parent that the process pid serves now.
func (l *parentLine) tell(pid int) {
	if l != nil {
		_, _ = fmt.Fprintf(l.conn, "%d\n", pid)
	}
}

// descriptor returns a duplicate of the connection's descriptor.
func (l *parentLine) descriptor() (fd int, err error) {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	control := raw.Control(func(ours uintptr) { fd, err = unix.FcntlInt(ours, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(control, err)
}

// watch sends a signal to stop when the parent ends: nobody would end this process.
func (l *parentLine) watch(stop chan<- os.Signal) {
	if l == nil {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, l.conn)
		stop <- parentEnded{}
	}()
}

// parentEnded is in the place of the signal when the parent of this process has ended.
type parentEnded struct{}

// Signal implements os.Signal.
func (parentEnded) Signal() {}

// String implements os.Signal.
func (parentEnded) String() string { return "end of the parent" }
