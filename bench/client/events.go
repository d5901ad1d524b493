package client

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

// Events is a load of event streams over HTTP/1.1: so many clients that read.
type Events struct {
	Address     string
	Path        string
	Connections int
	Duration    time.Duration
}

// endOfEvent separates events (WHATWG HTML section 9.2.5).
var endOfEvent = []byte("\n\n")

// Run opens the streams, waits for the head of each, calls ready, and counts events until the time is over.
func (e Events) Run(ready func()) (EchoResult, error) {
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for i := range e.Connections {
		c, err := dial(e.Address, false, "")
		if err != nil {
			return EchoResult{}, fmt.Errorf("connection %d: %w", i, err)
		}
		conns = append(conns, c)
		if err := askForEvents(c, e.Path); err != nil {
			return EchoResult{}, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	ready()
	type count struct {
		events int64
		err    error
	}
	counts := make(chan count, len(conns))
	begun := time.Now()
	for _, c := range conns {
		if err := c.SetReadDeadline(begun.Add(e.Duration)); err != nil {
			return EchoResult{}, err
		}
		go func() {
			n, err := countEvents(c)
			counts <- count{n, err}
		}()
	}
	var result EchoResult
	var all error
	for range conns {
		n := <-counts
		result.Messages += n.events
		all = errors.Join(all, n.err)
	}
	result.Elapsed = time.Since(begun)
	return result, all
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
	return nil
}

// countEvents counts the events that arrive until the deadline of reading.
func countEvents(c net.Conn) (events int64, err error) {
	buf := make([]byte, 512)
	for {
		n, err := c.Read(buf)
		events += int64(bytes.Count(buf[:n], endOfEvent))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return events, nil
		case err != nil:
			return events, err
		}
	}
}
