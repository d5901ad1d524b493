//go:build linux

package reactor

import (
	"math"
	"sync"
	"unsafe"
)

// Subject names the work of lent code in the report of a stall: a kind, such as a method, and a name, such as
// a target. It is immutable, so the watchdog may read it while that code runs, and takes 16 bytes,
// since every request has one.
type Subject struct {
	name   *byte
	length uint32
	kind   Kind
}

// Kind is the kind of a Subject.
type Kind uint8

// kinds are the names of the kinds. Kind 0 has none.
var kinds = struct {
	mu    sync.RWMutex
	names []string
}{names: []string{""}}

// NewKind makes a Kind, of which there can be 255. Call it in the declaration of a package-level variable:
// no kind is ever given back.
func NewKind(name string) Kind {
	kinds.mu.Lock()
	defer kinds.mu.Unlock()
	if len(kinds.names) > math.MaxUint8 {
		panic("reactor: more than 255 kinds of subjects")
	}
	kinds.names = append(kinds.names, name)
	return Kind(len(kinds.names) - 1)
}

// String returns the kind's name.
func (k Kind) String() string {
	kinds.mu.RLock()
	defer kinds.mu.RUnlock()
	return kinds.names[k]
}

// NewSubject returns a Subject, which keeps name's memory.
func NewSubject(kind Kind, name string) Subject {
	return Subject{name: unsafe.StringData(name), length: uint32(min(len(name), math.MaxUint32)), kind: kind}
}

// Name returns the name alone.
func (s *Subject) Name() string { return unsafe.String(s.name, s.length) }

// String returns kind and name, separated by a space; nothing for a nil Subject.
func (s *Subject) String() string {
	if s == nil {
		return ""
	}
	kind, name := s.kind.String(), unsafe.String(s.name, s.length)
	if kind == "" || name == "" {
		return kind + name
	}
	return kind + " " + name
}
