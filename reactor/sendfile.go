//go:build linux

package reactor

import "golang.org/x/sys/unix"

// fileOutput is what a session has said, in its last Transmit, about content that goes from a file to the socket.
type fileOutput uint8

const (
	fileNext    fileOutput = 1 << iota // a file follows the output that was returned
	fileTaken                          // the kernel has taken some of a file
	fileBlocked                        // the file waits until the kernel takes output
)

// FollowWithFile tells that a file is to be sent behind the output of this Transmit, or behind what is queued:
// Transmit is called again as soon as the kernel has taken that. It reports false on a connection with a filter,
// as TLS is, where SendFile is impossible. Call it within Session.Transmit.
func (c *Conn) FollowWithFile() bool {
	if c.filter != nil || c.Closed() {
		return false
	}
	c.file |= fileNext
	return true
}

// SendFile sends at most n bytes at offset of the open file fd by sendfile(2), without a copy, and returns how many
// the kernel has taken. Call it within Session.Transmit, on a connection without a filter, before any output is
// appended there. 0 without an error: the kernel takes nothing now, or the file has ended; Transmit is called again.
// An error is that of the system call: send the same bytes as other output.
//
// The file belongs to the caller, who keeps it open during the call only: nothing of it stays with the connection.
// Its pages should be in memory, since the call waits for those that are not. The Loop is therefore lent to subject
// meanwhile: if a disk does not answer, the watchdog closes the connection, and the Loop goes on.
func (c *Conn) SendFile(subject *Subject, fd int, offset int64, n int) (int, error) {
	if c.Closed() || c.filter != nil {
		return 0, unix.EINVAL
	}
	if c.backlog != nil {
		c.file |= fileNext
		return 0, nil
	}
	l := c.loop.Load()
	socket := int(c.fd)
	l.Lend(c, subject)
	sent, err := unix.Sendfile(socket, fd, &offset, n)
	l.Reclaim()
	switch err {
	case nil:
	case unix.EAGAIN:
		c.file |= fileBlocked
		return 0, nil
	case unix.EINTR:
		c.file |= fileNext
		return 0, nil
	default:
		return 0, err
	}
	l.Charge(unitsPerWrite + sent/outputPerUnit)
	l.stats.bytesOut.Add(int64(sent))
	if c.file |= fileTaken; sent < n {
		// The socket is full, or the file has become shorter: then the kernel takes output at once.
		c.file |= fileBlocked
	}
	return sent, nil
}

// FileSent reports whether the kernel has taken some of a file since Transmit was called.
func (c *Conn) FileSent() bool { return c.file&fileTaken != 0 }
