package client

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Events is a load of event streams over HTTP/1.1: so many clients that read.
type Events struct {
	Address     string
	Path        string
	Connections int
	Duration    time.Duration
}

// Run counts the events that arrive in the given time. Each stream is read from its head on, so that events that were
// sent before do not wait in buffers and are not counted.
func (e Events) Run(ready func(), done func(Result)) error {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	var events atomic.Int64
	failure := make(chan error, 1)
	for i := range e.Connections {
		c, err := dial(e.Address, false, "")
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns = append(conns, c)
		if err := askForEvents(c, e.Path); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		go func() {
			err := countEvents(c, &events)
			select {
			case failure <- fmt.Errorf("connection %d: %w", i, err):
			default: // another stream has failed before
			}
		}()
	}
	ready()
	begun, first := time.Now(), events.Load()
	select {
	case <-time.After(e.Duration):
	case err := <-failure:
		return err
	}
	done(Result{Count: events.Load() - first, Elapsed: time.Since(begun)})
	return nil
}

// askForEvents sends the request and reads what has come of the response.
func askForEvents(c net.Conn, path string) error {
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		return err
	}
	head := make([]byte, 4096)
	n, err := c.Read(head)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(head[:n], []byte("HTTP/1.1 200 ")) || !bytes.Contains(head[:n], []byte("text/event-stream")) {
		return fmt.Errorf("answered %.100q", head[:n])
	}
	return c.SetDeadline(time.Time{})
}

// countEvents adds the events that arrive to a counter, until it cannot read. It returns why.
func countEvents(c net.Conn, events *atomic.Int64) error {
	buf := make([]byte, 512)
	lineEnded := false // the last byte was the first half of the end of an event
	for {
		n, err := c.Read(buf)
		var ended int64
		for _, b := range buf[:n] {
			switch {
			case b != '\n':
				lineEnded = false
			case lineEnded: // an empty line ends an event (WHATWG HTML section 9.2.5)
				lineEnded = false
				ended++
			default:
				lineEnded = true
			}
		}
		events.Add(ended)
		if err != nil {
			return err
		}
	}
}
