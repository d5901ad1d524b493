//go:build linux

// Package handover passes descriptors and secrets from a process to the one that replaces it, and tells the old one when
// the new one is ready. The two talk over a socketpair: nothing goes through arguments, the environment or a disk, but
// for the number of one descriptor.
//
//	old process                               new process
//	Start(command, items)  ── items ───────▶  FromEnv, Items
//	Successor.Ready        ◀─ ready ────────  Predecessor.Ready
//	Successor.Release      ── released ────▶  Predecessor.Released
//
// Until Release the old process is in charge: the new one ends if the old one does.
package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable with the number of the new process's descriptor of the socketpair.
const Variable = "GATEWHEEL_HANDOVER_FD"

// protocol is the version of the messages. A process refuses others.
const protocol = 1

// Item is one thing that is handed over.
type Item struct {
	Kind        string
	Name        string
	Data        []byte
	Descriptors []int // belong to who has the Item
}

// Close closes the descriptors.
func (i *Item) Close() {
	for _, fd := range i.Descriptors {
		_ = unix.Close(fd)
	}
	i.Descriptors = nil
}

// message is what one datagram carries, in JSON, besides descriptors.
type message struct {
	Type     messageType
	Protocol int    `json:",omitempty"` // of begin
	Kind     string `json:",omitempty"` // of an item; more descriptors of the last one have none
	Name     string `json:",omitempty"`
	Data     []byte `json:",omitempty"`
	Taken    []int  `json:",omitempty"` // of ready
	Error    string `json:",omitempty"` // of failed
}

type messageType string

const (
	begin    messageType = "begin"
	item     messageType = "item"
	end      messageType = "end"
	ready    messageType = "ready"
	failed   messageType = "failed"
	released messageType = "released"
)

const (
	// maxDescriptors is how many descriptors one message has at most; the kernel takes 253 (SCM_MAX_FD).
	maxDescriptors = 200
	// maxMessage is the size of the longest message in bytes, below the default of net.core.wmem_default.
	maxMessage = 128 << 10
)

// channel is one end of the socketpair, a SOCK_SEQPACKET socket.
type channel struct{ conn *net.UnixConn }

// pair returns both ends of a socketpair. The second is for another process.
func pair() (near *channel, far *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	far = os.NewFile(uintptr(fds[1]), "handover")
	if near, err = open(fds[0]); err != nil {
		_ = far.Close()
		return nil, nil, err
	}
	return near, far, nil
}

// open returns the end with that descriptor, which it closes.
func open(fd int) (*channel, error) {
	file := os.NewFile(uintptr(fd), "handover")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, err
	}
	c, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, errors.New("it is not a unix socket")
	}
	return &channel{c}, nil
}

func (c *channel) send(m message, descriptors ...int) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > maxMessage {
		return fmt.Errorf("%s %q is %d bytes long, which is too much", m.Kind, m.Name, len(m.Data))
	}
	var rights []byte
	if len(descriptors) > 0 {
		rights = unix.UnixRights(descriptors...)
	}
	_, _, err = c.conn.WriteMsgUnix(text, rights, nil)
	return err
}

// sendItem sends an item, in several messages if it has many descriptors.
func (c *channel) sendItem(i Item) error {
	first := min(len(i.Descriptors), maxDescriptors)
	if err := c.send(message{Type: item, Kind: i.Kind, Name: i.Name, Data: i.Data}, i.Descriptors[:first]...); err != nil {
		return err
	}
	for rest := i.Descriptors[first:]; len(rest) > 0; rest = rest[min(len(rest), maxDescriptors):] {
		if err := c.send(message{Type: item}, rest[:min(len(rest), maxDescriptors)]...); err != nil {
			return err
		}
	}
	return nil
}

// receive returns the next message and its descriptors, which have close-on-exec set. io.EOF is the end of the other
// process.
func (c *channel) receive() (m message, descriptors []int, err error) {
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxDescriptors))
	n, rightsLength, flags, _, err := c.conn.ReadMsgUnix(text, rights)
	if errors.Is(err, unix.ECONNRESET) {
		// The process has ended before it had read everything. What it has sent follows this error.
		n, rightsLength, flags, _, err = c.conn.ReadMsgUnix(text, rights)
	}
	if err != nil {
		return m, nil, err
	}
	if n == 0 {
		return m, nil, errEnded
	}
	controls, err := unix.ParseSocketControlMessage(rights[:rightsLength])
	if err != nil {
		return m, nil, err
	}
	for i := range controls {
		fds, err := unix.ParseUnixRights(&controls[i])
		if err != nil {
			return m, nil, err
		}
		descriptors = append(descriptors, fds...)
	}
	if err := json.Unmarshal(text[:n], &m); err != nil || flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		for _, fd := range descriptors {
			_ = unix.Close(fd)
		}
		return m, nil, errors.Join(errors.New("a message is incomplete: are descriptors short?"), err)
	}
	return m, descriptors, nil
}

// errEnded reports that the other process has ended, or closed the channel.
var errEnded = errors.New("the other process has ended")
