package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cores says where servers and load run. On a machine with a single processor both share it.
type cores struct {
	server, load string
}

// all are the processors of servers and load.
func (c cores) all() string {
	if c.server == c.load {
		return c.server
	}
	return c.server + "," + c.load
}

// splitCores gives the first processor that this process may use to the servers, the rest to the load.
func splitCores() (cores, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return cores{}, fmt.Errorf("reading this process's processors: %w", err)
	}
	var all []string
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			all = append(all, strconv.Itoa(i))
		}
	}
	if len(all) == 1 {
		return cores{server: all[0], load: all[0]}, nil
	}
	return cores{server: all[0], load: strings.Join(all[1:], ",")}, nil
}

// pinned is a command that runs on the given processors only, with one thread of Go code, and dies with this process.
func pinned(cpus string, argv []string) *exec.Cmd { return pinnedThreads(cpus, 1, argv) }

func pinnedThreads(cpus string, threads int, argv []string) *exec.Cmd {
	cmd := exec.Command("taskset", append([]string{"-c", cpus}, argv...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(threads))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// process is a server under measurement.
type process struct {
	cmd     *exec.Cmd
	started time.Time // just before the start of taskset, which becomes the server
	output  bytes.Buffer
	ended   chan struct{} // closed once it has ended
	err     error         // why; read after ended
}

// launch starts a server and waits until it takes connections.
func launch(cpus string, threads int, argv []string, address string) (*process, error) {
	p := &process{cmd: pinnedThreads(cpus, threads, argv), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = 5 * time.Second // a process that is left over may hold the output
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	for deadline := p.started.Add(10 * time.Second); time.Now().Before(deadline); {
		select {
		case <-p.ended:
			return nil, fmt.Errorf("it ended at once (%v): %s", p.err, lastLine(p.output.String()))
		default:
		}
		pause(launchStep)
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			return p, c.Close()
		}
	}
	p.stop()
	return nil, fmt.Errorf("it did not listen within ten seconds: %s", lastLine(p.output.String()))
}

// launchStep is the time between two attempts to connect to a server that starts.
const launchStep = 200 * time.Microsecond

// pause blocks the thread for that long. The timers of Go's runtime round up to a millisecond.
func pause(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // a signal may end it early
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// stop kills the process and its descendants: parents first, since a master starts another worker for one that was killed.
func (p *process) stop() {
	for _, pid := range p.tree() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
}

// tree lists the process and its descendants: some servers fork their worker.
func (p *process) tree() []int {
	pids := []int{p.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pids[i], pids[i]))
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(children)) {
			if pid, err := strconv.Atoi(f); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// cpu is the processor time that the process has used so far, in user and kernel mode. It is the sum over the threads
// that live, which the kernel counts in nanoseconds; /proc/PID/stat counts in hundredths of a second. The time of a thread
// that ends is lost, so that a difference is too small by it; the servers measured here keep their threads.
func (p *process) cpu() (time.Duration, error) {
	var sum time.Duration
	for _, pid := range p.tree() {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		if err != nil {
			return 0, err
		}
		if len(threads) == 0 {
			return 0, errors.New("the server is gone")
		}
		for _, thread := range threads {
			used, err := threadTime(thread)
			if err != nil {
				return 0, err
			}
			sum += used
		}
	}
	return sum, nil
}

// threadTime reads the first field of a schedstat file: nanoseconds on a processor. It is 0 for a thread that has ended.
func threadTime(file string) (time.Duration, error) {
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		return 0, nil
	case err != nil:
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	nanoseconds, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return time.Duration(nanoseconds), nil
}

// resident is the process's resident memory in bytes.
func (p *process) resident() (int64, error) {
	var sum int64
	for _, pid := range p.tree() {
		statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			return 0, fmt.Errorf("the server is gone: %w", err)
		}
		fields := strings.Fields(string(statm))
		if len(fields) < 2 {
			return 0, fmt.Errorf("/proc/%d/statm is too short", pid)
		}
		pages, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/%d/statm: %w", pid, err)
		}
		sum += pages * int64(os.Getpagesize())
	}
	return sum, nil
}
