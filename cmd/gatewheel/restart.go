//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/internal/handover"
	"github.com/gatewheel/gatewheel/reactor"
)

type restartFlags struct {
	RestartTimeout period        `name:"restart-timeout" from:"100ms" default:"30s" help:"Time for the new process to become ready after SIGUSR2; then it is killed, and this one serves on."`
	RestartParent  restartParent `name:"restart-parent" enum:"auto,always,never" default:"auto" help:"Serve in a child process, so that the process that was started stays over restarts by SIGUSR2: ${enum}. auto does so for process 1 of a container. Supervisors that watch the process they have started need always."`
}

// Kinds of handover.Item.
const (
	kindListener = "listener"
	kindAdmin    = "admin"   // the socket of --admin; its name is the flag's value
	kindSecrets  = "secrets" // of certs.Store
	kindParent   = "parent"  // the connection to the parent, see parentLine
)

// restarter replaces the process by one of the binary that is on disk.
type restarter struct {
	program executable
	timeout time.Duration
	log     *zap.Logger
	server  *server.Server
	op      *operator
	parent  *parentLine // nil: there is none

	// replaced gets the new process when it serves and this one is to drain.
	replaced chan *handover.Successor
	attempts sync.WaitGroup

	mu       sync.Mutex
	state    restartState
	underWay context.CancelCauseFunc // ends the attempt; nil: there is none
}

type restartState int

const (
	restartPossible restartState = iota
	restartUnderWay
	restartDone     // another process serves
	restartExcluded // this process ends
)

// errStopped is the reason why an attempt ends with this process.
var errStopped = errors.New("this process stops")

// serve begins an attempt at each SIGUSR2.
func (r *restarter) serve(received <-chan os.Signal) {
	for range received {
		r.mu.Lock()
		switch r.state {
		case restartPossible:
			ctx, cancel := context.WithCancelCause(context.Background())
			r.state, r.underWay = restartUnderWay, cancel
			r.attempts.Go(func() { r.attempt(ctx) })
		case restartUnderWay:
			r.log.Warn("SIGUSR2 ignored: a restart is under way")
		default:
			r.log.Warn("SIGUSR2 ignored: this process stops")
		}
		r.mu.Unlock()
	}
}

// attempt starts a new process. If it becomes ready in time, this one is replaced, else it serves on.
func (r *restarter) attempt(ctx context.Context) {
	ctx, end := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("it was not ready within %v", r.timeout))
	defer end()
	r.log.Info("restarting", zap.String("program", r.program.path), zap.Int("pid", os.Getpid()))
	next, taken, err := r.start(ctx)
	if err != nil {
		r.failed(err)
		return
	}
	if err := r.decide(next.PID()); err != nil {
		next.End()
		r.failed(err)
		return
	}
	r.handOver(next, taken)
	r.replaced <- next
}

// decide makes this process the one that ends, and the process pid the main one of the service manager. It fails if this
// process was told to stop before, or if the manager cannot be told.
func (r *restarter) decide(pid int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != restartUnderWay {
		return errStopped
	}
	if err := r.op.notify.handOver(pid); err != nil {
		return err
	}
	r.state, r.underWay = restartDone, nil
	return nil
}

// failed ends an attempt without success.
func (r *restarter) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay = nil
	if r.state == restartExcluded {
		r.log.Info("the new process was ended", zap.Int("pid", os.Getpid()))
		return
	}
	r.state = restartPossible
	r.log.Error("restart failed, and this process serves on", zap.Error(err), zap.String("program", r.program.path), zap.Int("pid", os.Getpid()))
}

// start starts the new process and waits until it is ready. It returns the listeners that it has taken.
func (r *restarter) start(ctx context.Context) (next *handover.Successor, taken []int, err error) {
	items, err := r.items()
	defer func() {
		for i := range items {
			items[i].Close()
		}
	}()
	if err != nil {
		return nil, nil, err
	}
	if next, err = handover.Start(ctx, r.program.command(), items); err != nil {
		return nil, nil, err
	}
	used, err := next.Ready(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range used {
		if i >= 0 && i < len(items) && items[i].Kind == kindListener {
			taken = append(taken, i) // the listeners are the first items
		}
	}
	return next, taken, nil
}

// items returns what the new process gets, the listeners first. The descriptors are the caller's, also after an error.
func (r *restarter) items() (items []handover.Item, err error) {
	listeners, err := r.server.PassListeners()
	if err != nil {
		return nil, err
	}
	for _, l := range listeners {
		items = append(items, handover.Item{Kind: kindListener, Name: l.Name, Descriptors: l.Descriptors})
	}
	if r.op.listener != nil {
		fd, err := r.op.listener.Duplicate()
		if err != nil {
			return items, err
		}
		items = append(items, handover.Item{Kind: kindAdmin, Name: r.op.address, Descriptors: []int{fd}})
	}
	if r.op.certificates != nil {
		secrets, err := r.op.certificates.Secrets()
		if err != nil {
			return items, err
		}
		items = append(items, handover.Item{Kind: kindSecrets, Data: secrets})
	}
	if r.parent != nil {
		fd, err := r.parent.descriptor()
		if err != nil {
			return items, err
		}
		items = append(items, handover.Item{Kind: kindParent, Descriptors: []int{fd}})
	}
	return items, nil
}

// handOver puts the new process, which serves already, in the place of this one.
func (r *restarter) handOver(next *handover.Successor, taken []int) {
	r.log.Info("the new process serves", zap.Int("new_pid", next.PID()), zap.Int("pid", os.Getpid()))
	r.server.HandOver(taken)
	if r.op.listener != nil {
		r.op.listener.Own(false)
	}
	r.parent.tell(next.PID())
	if err := next.Release(); err != nil {
		r.log.Error("the new process cannot be told that it is in charge", zap.Error(err))
	}
}

// exclude makes restarts impossible, and ends the one that is under way. It reports false if another process serves
// already.
func (r *restarter) exclude() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == restartDone {
		return false
	}
	r.state = restartExcluded
	if r.underWay != nil {
		r.underWay(errStopped)
	}
	return true
}

// attemptEndTime bounds the wait at the end of the process for an attempt, which ends its new process.
const attemptEndTime = 4 * time.Second

// forwardStop forwards the first signal to stop to the process that serves, if that may not have got it: the sender of
// SIGTERM may not have known of it yet. It sees the end of the parent itself, and gets SIGINT from the terminal.
func forwardStop(first os.Signal, next *handover.Successor) {
	if first == syscall.SIGTERM {
		next.Stop()
	}
}

// executable is what a restart starts.
type executable struct {
	path      string
	arguments []string // the first is the name that this process was started under
}

// thisExecutable returns the program that this process runs, by the path under which it was started: a symbolic link in it
// may lead elsewhere later. Call it before the process changes its directory.
func thisExecutable() executable {
	p := executable{arguments: slices.Clone(os.Args)}
	found, err := os.Executable()
	p.path = found
	started, lookErr := exec.LookPath(os.Args[0])
	if lookErr != nil {
		return p
	}
	if started, lookErr = filepath.Abs(started); lookErr == nil && (err != nil || sameFile(started, "/proc/self/exe")) {
		p.path = started
	}
	return p
}

// belongsToThisProcess reports whether an environment variable is meant for this process alone.
func belongsToThisProcess(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	return slices.Contains([]string{handover.Variable, parentVariable, "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}, name)
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}

// command returns a command that runs the file that is at the path now.
func (p *executable) command() *exec.Cmd {
	return &exec.Cmd{
		Path: p.path, Args: p.arguments, Env: slices.DeleteFunc(os.Environ(), belongsToThisProcess),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}
}

// inheritance is what this process has got from the one that it replaces. The zero value is that of a process that
// replaces none.
type inheritance struct {
	predecessor *handover.Predecessor
	listeners   *reactor.Inheritance
	admin       *os.File
	address     string // of admin
	secrets     []byte
	parent      *parentLine
}

// predecessor is the process that this one replaces; nil: there is none.
var predecessor = sync.OnceValues(handover.FromEnv)

// inherit receives what the process hands over that this one replaces.
func inherit() (*inheritance, error) {
	in := &inheritance{}
	var err error
	if in.predecessor, err = predecessor(); err != nil {
		return nil, err
	}
	if in.predecessor == nil {
		in.parent, err = parentFromEnv()
		return in, err
	}
	items, err := in.predecessor.Items()
	if err != nil {
		return nil, err
	}
	var listeners []reactor.PassedListener
	for _, i := range items {
		switch {
		case i.Kind == kindListener && len(i.Descriptors) > 0:
			listeners = append(listeners, reactor.PassedListener{Name: i.Name, Descriptors: i.Descriptors})
		case i.Kind == kindAdmin && len(i.Descriptors) == 1:
			in.admin, in.address = os.NewFile(uintptr(i.Descriptors[0]), i.Name), i.Name
		case i.Kind == kindSecrets:
			in.secrets = i.Data
		case i.Kind == kindParent && len(i.Descriptors) == 1:
			if in.parent, err = openParentLine(i.Descriptors[0]); err != nil {
				return nil, err
			}
		default:
			i.Close() // of a version that hands over more
		}
	}
	in.listeners = reactor.Inherit(listeners)
	return in, nil
}

// adminSocket returns the inherited socket of --admin, or nil.
func (in *inheritance) adminSocket(address string) *os.File {
	if in.address != address {
		return nil
	}
	return in.admin
}

// ready tells the process that this one replaces that this one serves, and waits in the background until it is in charge:
// then it calls inCharge. If that process ends before, stop gets a signal.
func (in *inheritance) ready(op *operator, stop chan<- os.Signal, inCharge func()) error {
	if in.predecessor == nil {
		inCharge()
		return nil
	}
	if err := in.predecessor.Ready(in.listeners.Taken()); err != nil {
		return fmt.Errorf("the process that this one replaces has ended: %w", err)
	}
	in.listeners.CloseOthers()
	if in.admin != nil {
		_ = in.admin.Close()
	}
	go func() {
		if in.predecessor.Released() != nil {
			stop <- predecessorEnded{}
			return
		}
		in.listeners.Own()
		if op.listener != nil {
			op.listener.Own(true)
		}
		inCharge()
	}()
	return nil
}

// predecessorEnded is in the place of the signal when the process that this one replaces ends before this one is in
// charge.
type predecessorEnded struct{}

// errPredecessorEnded ends a process that has got predecessorEnded.
var errPredecessorEnded = errors.New("the process that this one was to replace has ended before this one was in charge")

// Signal implements os.Signal.
func (predecessorEnded) Signal() {}

// String implements os.Signal.
func (predecessorEnded) String() string { return "end of the process that this one was to replace" }
