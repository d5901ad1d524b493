//go:build linux

package reactor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
)

// A DialStage is a part of a dial.
type DialStage uint8

const (
	DialDescriptors DialStage = iota // no descriptor is free for the dial
	DialResolve                      // the address or its name
	DialConnect                      // connecting the socket
	DialHandshake                    // the TLS handshake
	dialStages
)

var dialStageNames = [dialStages]string{
	DialDescriptors: "descriptors",
	DialResolve:     "resolve",
	DialConnect:     "connect",
	DialHandshake:   "handshake",
}

// String returns a short name, the label of s in metrics.
func (s DialStage) String() string {
	if s < dialStages {
		return dialStageNames[s]
	}
	return "unknown"
}

// DialError is the reason for which a dial has failed. Stage and Reason are for programs, Error is for people. errors.Is
// finds the error of the kernel, of the resolver or of the context.
type DialError struct {
	Stage   DialStage
	Address string
	Reason  TLSFailure // at DialHandshake
	Err     error
}

func newDialError(d *dialling, err error) *DialError {
	if err == nil {
		err = ErrClosed
	}
	e := &DialError{Stage: d.stage, Address: d.config.Address, Err: err}
	if d.stage == DialHandshake {
		explained := explainDialled(err)
		e.Reason, e.Err = explained.reason, explained
	}
	return e
}

// Error describes the failure in a sentence.
func (e *DialError) Error() string {
	switch e.Stage {
	case DialResolve:
		return fmt.Sprintf("cannot resolve %s: %v", e.Address, e.Err)
	case DialHandshake:
		return fmt.Sprintf("TLS with %s failed: %v", e.Address, e.Err)
	default:
		return fmt.Sprintf("cannot connect to %s: %v", e.Address, e.Err)
	}
}

// Unwrap returns e.Err.
func (e *DialError) Unwrap() error { return e.Err }

// Timeout reports whether the dial has taken too long: by DialConfig.Timeout, the deadline of its context,
// Config.HandshakeTimeout, or the kernel.
func (e *DialError) Timeout() bool {
	timed, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.Err)
	return ok && timed.Timeout() || e.Stage == DialHandshake && e.Reason == TLSFailureTimeout
}

// dialCounters count dials. Safe for concurrent use.
type dialCounters struct {
	underWay  atomic.Int64 // without a session yet
	started   atomic.Uint64
	opened    atomic.Uint64
	cancelled atomic.Uint64
	failures  [dialStages]atomic.Uint64
}

// failed counts a dial without a session.
func (n *dialCounters) failed(err *DialError) {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, ErrClosed), errors.Is(err, ErrStopped):
		n.cancelled.Add(1)
	default:
		n.failures[err.Stage].Add(1)
	}
}

// DialStats has counters of dials since the start. Those of TLS are in TLSStats.Dialled.
type DialStats struct {
	UnderWay  int                // now: neither opened nor failed
	Started   uint64             // calls of Loop.Dial
	Opened    uint64             // sessions opened
	Cancelled uint64             // by their context, or the end of the Reactor
	Failures  [dialStages]uint64 // by DialStage
}

func (n *dialCounters) stats() DialStats {
	s := DialStats{UnderWay: int(n.underWay.Load()), Started: n.started.Load(), Opened: n.opened.Load(), Cancelled: n.cancelled.Load()}
	for i := range n.failures {
		s.Failures[i] = n.failures[i].Load()
	}
	return s
}
