//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// A program is a gatewheel process under test, or its successor after a hot restart.
type program struct {
	name                 string
	plain, secure, admin string // addresses
	windows              windows
	log                  string // path of what it writes to standard error
	access               string // path of its access log

	ports []*testport.Reservation
	// parent has the process that is started stay as the parent of those that serve (--restart-parent).
	parent  bool
	started int        // process that was started; its successors are in its process group
	ended   chan error // gets its end

	mu      sync.Mutex
	serving int // process ID
}

// newProgram reserves the ports of a program.
func newProgram(name, dir string) (*program, error) {
	p := &program{name: name, log: filepath.Join(dir, name+".log"), access: filepath.Join(dir, name+".access")}
	for _, address := range []*string{&p.plain, &p.secure, &p.admin} {
		r, err := testport.Reserve()
		if err != nil {
			return nil, errors.Join(err, p.release())
		}
		p.ports = append(p.ports, r)
		*address = r.Address()
	}
	return p, nil
}

func (p *program) release() error {
	var errs []error
	for _, r := range p.ports {
		errs = append(errs, r.Release())
	}
	return errors.Join(errs...)
}

// start starts the program and waits until it is ready.
func (p *program) start(ctx context.Context, path string, args ...string) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if p.parent {
		args = append(args, "--restart-parent", "always")
	}
	cmd := exec.Command(path, append(args,
		"--listen", p.plain, "--listen-tls", p.secure, "--admin", p.admin,
		"--stall-timeout", stallTimeout.String(), "--stall-restarts", "1000", "--shutdown-timeout", shutdownTimeout.String(),
		"--access-log", p.access, "--access-log-format", "%s %{end}x", "--log-format", "json")...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GATEWHEEL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.started, p.ended = cmd.Process.Pid, make(chan error, 1)
	go func() { p.ended <- cmd.Wait() }()
	return p.await(ctx, func() error {
		select {
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%w: it has ended: %v", errHopeless, err)
		default:
		}
		return p.ready()
	})
}

// ready returns nil once the program takes connections.
func (p *program) ready() error {
	if _, err := p.get("/readyz"); err != nil {
		return err
	}
	c, err := net.Dial("tcp", p.plain)
	if err != nil {
		return err
	}
	return errors.Join(c.Close(), p.succeeded(0))
}

// errHopeless ends await.
var errHopeless = errors.New("waiting has no use")

// await calls check until it returns nil, for patience at most.
func (p *program) await(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", p.name, err)
		case <-time.After(20 * time.Millisecond):
		}
		if errors.Is(err, errHopeless) {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
}

// pid returns the number of the process that serves.
func (p *program) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serving
}

// signal sends a signal to the process that serves, or to its parent.
func (p *program) signal(s syscall.Signal) error {
	if p.parent {
		return unix.Kill(p.started, s)
	}
	return unix.Kill(p.pid(), s)
}

// restart sends SIGUSR2, waits until another process serves and the old one has ended, and returns an error if that one
// has failed. Connections may be closed until aftermath later.
func (p *program) restart(ctx context.Context) error {
	old := p.pid()
	p.windows.begin()
	defer p.windows.end()
	if err := p.signal(unix.SIGUSR2); err != nil {
		return err
	}
	if err := p.await(ctx, func() error { return p.succeeded(old) }); err != nil {
		return err
	}
	return p.await(ctx, func() error {
		if alive(old) {
			return fmt.Errorf("process %d does not end after a restart", old)
		}
		return nil
	})
}

// succeeded notes the process that serves in place of old.
func (p *program) succeeded(old int) error {
	v, err := p.version()
	if err != nil {
		return err
	}
	if v.PID == old {
		return fmt.Errorf("process %d still serves after SIGUSR2", old)
	}
	p.mu.Lock()
	p.serving = v.PID
	p.mu.Unlock()
	return nil
}

// alive reports whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// stop ends the program by SIGTERM, and returns an error if it does not end in time, and with 0. The exit code of a process
// that has replaced another one, without a parent, is not known.
func (p *program) stop(ctx context.Context) error {
	pid := p.pid()
	if err := p.signal(unix.SIGTERM); err != nil {
		return err
	}
	err := p.await(ctx, func() error {
		if alive(pid) {
			return fmt.Errorf("process %d does not end after SIGTERM", pid)
		}
		return nil
	})
	if err != nil || pid != p.started && !p.parent {
		return err
	}
	if err := <-p.ended; err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// kill ends all processes of the program at once.
func (p *program) kill() {
	if p.started != 0 {
		_ = unix.Kill(-p.started, unix.SIGKILL)
	}
	_ = p.release()
}
