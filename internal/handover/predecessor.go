//go:build linux

package handover

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Predecessor is the process that this one replaces. A nil Predecessor is none. Its methods may be called on any
// goroutine.
type Predecessor struct {
	channel *channel

	mu       sync.Mutex
	reported bool // Ready or Failed was sent
}

// FromEnv returns the Predecessor of this process, or nil if it was not started by Start. It removes Variable from the
// environment.
func FromEnv() (*Predecessor, error) {
	text, ok := os.LookupEnv(Variable)
	if !ok {
		return nil, nil
	}
	_ = os.Unsetenv(Variable)
	fd, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return nil, fmt.Errorf("%s is %q, want the number of a descriptor", Variable, text)
	}
	unix.CloseOnExec(int(fd))
	c, err := open(int(fd))
	if err != nil {
		return nil, fmt.Errorf("%s is %s: %w", Variable, text, err)
	}
	return &Predecessor{channel: c}, nil
}

// receiveTimeout bounds the time between two messages.
const receiveTimeout = 10 * time.Second

// Items waits for everything that is handed over. The descriptors are the caller's.
func (p *Predecessor) Items() (items []Item, err error) {
	if p == nil {
		return nil, nil
	}
	defer func() {
		if err == nil {
			return
		}
		for i := range items {
			items[i].Close()
		}
		items, err = nil, fmt.Errorf("receiving from the process that this one replaces: %w", err)
	}()
	for first := true; ; first = false {
		if err := p.channel.conn.SetReadDeadline(time.Now().Add(receiveTimeout)); err != nil {
			return items, err
		}
		m, fds, err := p.channel.receive()
		switch {
		case err != nil:
			return items, err
		case first && (m.Type != begin || m.Protocol != protocol):
			return items, fmt.Errorf("it speaks version %d, and this one version %d", m.Protocol, protocol)
		case m.Type == end:
			return items, p.channel.conn.SetReadDeadline(time.Time{})
		case m.Type == item && m.Kind == "" && len(items) > 0:
			last := &items[len(items)-1]
			last.Descriptors = append(last.Descriptors, fds...)
		case m.Type == item:
			items = append(items, Item{Kind: m.Kind, Name: m.Name, Data: m.Data, Descriptors: fds})
		}
	}
}

// Ready tells the predecessor that this process serves, and which items it uses, by index.
func (p *Predecessor) Ready(taken []int) error {
	if p == nil {
		return nil
	}
	return p.report(message{Type: ready, Taken: taken})
}

// Failed tells the predecessor why this process ends, if Ready was not called before.
func (p *Predecessor) Failed(reason string) {
	if p != nil {
		_ = p.report(message{Type: failed, Error: reason[:min(len(reason), maxMessage/8)]})
	}
}

func (p *Predecessor) report(m message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reported {
		return errReported
	}
	p.reported = true
	return p.channel.send(m)
}

var errReported = errors.New("the predecessor has got a report before")

// Released waits until the predecessor has left everything to this process. An error means that it has ended before.
func (p *Predecessor) Released() error {
	if p == nil {
		return nil
	}
	defer func() { _ = p.channel.conn.Close() }()
	m, _, err := p.channel.receive()
	if err == nil && m.Type != released {
		err = fmt.Errorf("it has sent the message %q", m.Type)
	}
	return err
}
