//go:build linux

package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Successor is a process that was started to replace this one. Its methods may be called on any goroutine.
type Successor struct {
	command *exec.Cmd
	channel *channel
	ended   chan struct{}
	err     error // of the end; read after ended is closed
}

// Start starts command, whose ExtraFiles must be empty, and sends it items. The caller keeps their descriptors, which
// may be closed when Start has returned. ctx bounds the time until the process has received everything; then it is
// killed.
func Start(ctx context.Context, command *exec.Cmd, items []Item) (*Successor, error) {
	near, far, err := pair()
	if err != nil {
		return nil, err
	}
	const firstExtra = 3
	command.ExtraFiles = append(command.ExtraFiles, far)
	command.Env = append(command.Env, Variable+"="+strconv.Itoa(firstExtra))
	err = command.Start()
	_ = far.Close()
	if err != nil {
		_ = near.conn.Close()
		return nil, err
	}
	s := &Successor{command: command, channel: near, ended: make(chan struct{})}
	go s.reap()
	if err := s.send(ctx, items); err != nil {
		// It may have failed before it has read everything.
		_ = s.channel.conn.SetDeadline(time.Now().Add(endPatience))
		if m, receiveErr := s.receive(ctx); receiveErr == nil && m.Type == failed {
			err = errors.New(m.Error)
		}
		return nil, s.failure(ctx, err)
	}
	return s, nil
}

// reap waits for the end of the process.
func (s *Successor) reap() {
	s.err = s.command.Wait()
	close(s.ended)
}

// interruptAtEnd makes waits on the channel fail from the end of ctx on, until the function that it returns is called.
func (s *Successor) interruptAtEnd(ctx context.Context) (stop func()) {
	interrupted := make(chan struct{})
	dontInterrupt := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = s.channel.conn.SetDeadline(time.Unix(1, 0))
	})
	return func() {
		if !dontInterrupt() {
			<-interrupted // a deadline that is set later holds
		}
	}
}

// receive returns the next message. It fails at the end of ctx.
func (s *Successor) receive(ctx context.Context) (message, error) {
	defer s.interruptAtEnd(ctx)()
	m, _, err := s.channel.receive()
	return m, err
}

func (s *Successor) send(ctx context.Context, items []Item) error {
	defer s.interruptAtEnd(ctx)()
	if err := s.channel.send(message{Type: begin, Protocol: protocol}); err != nil {
		return err
	}
	for _, i := range items {
		if err := s.channel.sendItem(i); err != nil {
			return err
		}
	}
	return s.channel.send(message{Type: end})
}

// Ready waits until the process is ready and returns the items that it uses, by index. If it fails or ends before, or ctx
// ends, Ready ends it, waits for its end, and returns the reason.
func (s *Successor) Ready(ctx context.Context) (taken []int, err error) {
	m, err := s.receive(ctx)
	switch {
	case err != nil:
	case m.Type == ready:
		return m.Taken, nil
	case m.Type == failed:
		err = errors.New(m.Error)
	default:
		err = fmt.Errorf("it has sent the message %q", m.Type)
	}
	return nil, s.failure(ctx, err)
}

// endPatience is how long a process may take until it ends, after it has failed or has got SIGTERM.
const endPatience = 2 * time.Second

// failure ends the process and returns the reason: the cause of the end of ctx, or the exit code and reported, the error
// that the process has sent or that its channel has.
func (s *Successor) failure(ctx context.Context, reported error) error {
	killed, over := false, ctx.Err() != nil
	if over || !s.endsWithin(endPatience) {
		killed = true
		s.End()
	}
	_ = s.channel.conn.Close()
	switch {
	case over:
		return context.Cause(ctx)
	case killed:
		return fmt.Errorf("it did not end, and was killed: %w", reported)
	}
	exit := s.err
	if exit == nil {
		exit = errors.New("exit status 0")
	}
	if channelClosed(reported) {
		return exit
	}
	return fmt.Errorf("%w: %w", exit, reported)
}

// endsWithin reports whether the process ends within limit.
func (s *Successor) endsWithin(limit time.Duration) bool {
	select {
	case <-s.ended:
		return true
	case <-time.After(limit):
		return false
	}
}

// channelClosed reports whether err is the error of a channel whose other process has ended without a report.
func channelClosed(err error) bool {
	return errors.Is(err, errEnded) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// Release tells the process that it is in charge now, and that this one ends. It does so too if ctx of Ready has ended
// since the process was ready.
func (s *Successor) Release() error {
	defer func() { _ = s.channel.conn.Close() }()
	_ = s.channel.conn.SetDeadline(time.Now().Add(endPatience))
	return s.channel.send(message{Type: released})
}

// PID returns the process ID.
func (s *Successor) PID() int { return s.command.Process.Pid }

// Stop sends SIGTERM to the process.
func (s *Successor) Stop() { _ = s.command.Process.Signal(syscall.SIGTERM) }

// End ends the process, first by SIGTERM, since it may have accepted connections, and waits for its end: a few seconds at
// most.
func (s *Successor) End() {
	s.Stop()
	_ = s.channel.conn.Close()
	if !s.endsWithin(endPatience) {
		_ = s.command.Process.Kill()
		<-s.ended
	}
}

// Ended is closed when the process has ended and was reaped.
func (s *Successor) Ended() <-chan struct{} { return s.ended }

// Err returns the reason of the end, nil for the exit code 0. Call it after Ended was closed.
func (s *Successor) Err() error { return s.err }
