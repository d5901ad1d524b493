package client

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"time"
)

// Room is a load of a chat room: one member sends a message, and the next once all members have it.
type Room struct {
	Address  string
	Path     string
	Members  int
	Duration time.Duration
}

// Run sends until the time is over, and counts the messages that members have received.
func (r Room) Run(ready func(), done func(Result)) error {
	members, err := r.join()
	defer closeAll(members)
	if err != nil {
		return err
	}
	send, want := frames(1)
	received := make(chan error, len(members))
	next := make([]chan struct{}, len(members))
	for i, c := range members {
		next[i] = make(chan struct{}, 1)
		go func() {
			for range next[i] {
				received <- receive(c, want)
			}
		}()
		defer close(next[i])
	}
	ready()
	var result Result
	begun := time.Now()
	for time.Since(begun) < r.Duration {
		for i := range next {
			next[i] <- struct{}{}
		}
		if _, err := members[0].Write(send); err != nil {
			return err
		}
		for range members {
			if err := <-received; err != nil {
				return err
			}
			result.Count++
		}
	}
	result.Elapsed = time.Since(begun)
	done(result)
	return nil
}

func (r Room) join() (members []net.Conn, err error) {
	for range r.Members {
		c, err := dial(r.Address, false, "")
		if err != nil {
			return members, err
		}
		members = append(members, c)
		if err := upgrade(c, r.Address, r.Path, ""); err != nil {
			return members, err
		}
	}
	return members, nil
}

func receive(c net.Conn, want []byte) error {
	if err := c.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("the message differs: %q", got)
	}
	return nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
}
