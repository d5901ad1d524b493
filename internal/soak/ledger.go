//go:build linux

package soak

import (
	"fmt"
	"sync"
	"time"
)

// A Rule explains why a request has no answer, or another one.
type Rule string

// The rules. Anything else is unexplained.
const (
	// OwnFault: the client of the operation broke the protocol or left, as it meant to.
	OwnFault Rule = "the client broke off or sent nonsense on purpose"
	// Stalled: the handler of the request kept its loop for longer than --stall-timeout (docs/watchdog.md).
	Stalled Rule = "the handler kept its loop for longer than --stall-timeout"
	// KeptClosed: the request is not idempotent, and its kept connection was closed during a restart before a byte of
	// the response. Nobody may send it again (RFC 9110 section 9.2.2, docs/gateway.md).
	KeptClosed Rule = "not idempotent, on a kept connection that a restart closed"
	// PipelineEnded: the answer before had Connection: close during a restart (RFC 9112 section 9.6). The request was
	// sent again.
	PipelineEnded Rule = "pipelined behind the last answer of a connection during a restart; sent again"
	// SocketAway: a WebSocket was closed with 1001 during a restart, and opened again.
	SocketAway Rule = "WebSocket closed with 1001 by a restart; opened again"
	// StreamEnded: an event stream ended whole during a restart, and continued by Last-Event-ID.
	StreamEnded Rule = "event stream ended by a restart; continued by Last-Event-ID"
	// NewcomerAway: a drain sends GOAWAY at once on connections that are open (docs/operations.md). A WebSocket by
	// x/net/http2 waits for SETTINGS on its new connection, and that client gives up if GOAWAY comes with them, though it
	// has sent no request.
	NewcomerAway Rule = "new HTTP/2 connection with GOAWAY by a restart before its first request was written; opened again"
)

var rules = []Rule{OwnFault, Stalled, KeptClosed, NewcomerAway, PipelineEnded, SocketAway, StreamEnded}

// A Failure is an unexplained one.
type Failure struct {
	At        time.Time `json:"at"`
	Element   string    `json:"element"`
	Operation uint64    `json:"operation"`
	Target    string    `json:"target"`
	Meanwhile string    `json:"meanwhile"` // the disturbance in progress
	Error     string    `json:"error"`
}

// maxFailures is how many failures are kept; all are counted.
const maxFailures = 200

// counts are those of one element.
type counts struct {
	Operations  int          `json:"operations"`
	Answered    int          `json:"answered"`
	Explained   map[Rule]int `json:"explained,omitempty"`
	Unexplained int          `json:"unexplained"`
}

// A ledger counts what has become of requests. Its methods may be called on any goroutine.
type ledger struct {
	mu         sync.Mutex
	byElement  map[string]*counts
	byProgram  map[string]int // answered requests that a program must have in its access log
	failures   []Failure
	total      counts
	inProgress string // disturbance
}

func newLedger() *ledger {
	return &ledger{byElement: map[string]*counts{}, byProgram: map[string]int{}, total: counts{Explained: map[Rule]int{}}}
}

func (l *ledger) of(element string) *counts {
	c := l.byElement[element]
	if c == nil {
		c = &counts{Explained: map[Rule]int{}}
		l.byElement[element] = c
	}
	return c
}

// ran counts an operation of an element.
func (l *ledger) ran(element string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(element).Operations++
	l.total.Operations++
}

// answered counts n requests whose answers were right, and which programs have served each.
func (l *ledger) answered(element string, n int, programs ...*program) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(element).Answered += n
	l.total.Answered += n
	for _, p := range programs {
		l.byProgram[p.name] += n
	}
}

// explained counts a failure.
func (l *ledger) explained(element string, rule Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(element).Explained[rule]++
	l.total.Explained[rule]++
}

// unexplained counts and keeps a failure.
func (l *ledger) unexplained(element string, operation uint64, target string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of(element).Unexplained++
	l.total.Unexplained++
	if len(l.failures) < maxFailures {
		l.failures = append(l.failures, Failure{time.Now().UTC(), element, operation, target, l.inProgress, err.Error()})
	}
}

// disturb notes the disturbance in progress, "" for none.
func (l *ledger) disturb(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inProgress = name
}

// line returns the counts as a part of a progress line.
func (l *ledger) line() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	explained := 0
	for _, n := range l.total.Explained {
		explained += n
	}
	return fmt.Sprintf("%d operations, %d requests answered, %d failures explained, %d unexplained",
		l.total.Operations, l.total.Answered, explained, l.total.Unexplained)
}
