//go:build linux

package reactor

import (
	"context"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// lastAckWait is the time that StopAccepting leaves to TCP clients whose handshake is in progress: their last segment is
// on its way.
const lastAckWait = 10 * time.Millisecond

// StopAccepting stops taking connections, accepts those that wait in the listening sockets, and closes these sockets. No
// connection that was established is reset: those beyond the limit of connections, or for which there is no time because
// ctx has ended, are turned away with Config.TurnAway. A TCP client that comes meanwhile tries again a second later, a
// client of a unix socket is refused.
//
// Sockets of ListenerConfig.File may belong to other processes too, which accept from them then: StopAccepting accepts
// what waits, and leaves later connections to them. Sockets after HandOver, and inherited ones before Inheritance.Own, are
// only closed: the other process serves with them.
// Open connections go on. On any goroutine.
func (r *Reactor) StopAccepting(ctx context.Context) {
	r.gate.end()
	for _, l := range r.loops {
		if e := l.engine.Load(); e != nil {
			e.CloseListeners()
		}
	}
	last := lastAccept{reactor: r, ctx: ctx, queues: r.lastQueues()}
	last.run()
	for _, q := range last.queues {
		_ = unix.Close(q.fd)
	}
	for _, ln := range r.listeners {
		ln.close()
	}
}

// queue is a listening socket with the connections that wait there for the last accept.
type queue struct {
	fd       int // a duplicate
	listener *listener
	loop     *Loop // that has accepted from it
	closed   bool  // no further connection comes
}

// lastQueues returns the listening sockets that are open, closed to further connections unless they belong to other
// processes too. Those that another process serves with are not among them: closing them to connections would close them
// for that process.
func (r *Reactor) lastQueues() (queues []queue) {
	for _, ln := range r.listeners {
		if ln.handedOver.Load() || ln.sockets.borrowed() {
			continue
		}
		fds, _ := ln.appendDuplicates(nil)
		for i, fd := range fds {
			q := queue{fd: fd, listener: ln, loop: r.loops[i%len(r.loops)]}
			if ln.config.File == nil {
				q.closed = takeNoMore(fd, ln.addr.Network()) == nil
			}
			queues = append(queues, q)
		}
	}
	return queues
}

// takeNoMore has the kernel take no further connections at a listening socket. Those that wait stay. A segment that
// begins a TCP connection is dropped, so that the client sends it again; its connections inherit the filter, to which such
// segments mean nothing.
func takeNoMore(fd int, network string) error {
	if network == "unix" {
		return unix.Shutdown(fd, unix.SHUT_RD)
	}
	const flags, syn, ack = 13, 0x02, 0x10 // RFC 9293 section 3.1: an octet of the header, and bits of it
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flags},
		{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: syn | ack},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: syn, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
}

// takeAgain undoes takeNoMore for a TCP socket.
func takeAgain(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) // fails if there is no filter
}

// lastAccept accepts the connections that wait when a Reactor stops accepting.
type lastAccept struct {
	reactor *Reactor
	ctx     context.Context
	queues  []queue
	away    turningAway
	next    int // index of a Loop, see Reactor.nextRunning
}

func (a *lastAccept) run() {
	a.away = newTurningAway(a.reactor, a.ctx)
	for until := time.Now().Add(lastAckWait); ; {
		for i := range a.queues {
			a.empty(&a.queues[i])
		}
		if a.ctx.Err() != nil || !a.await(time.Until(until)) {
			break
		}
	}
	if n := a.away.end(); n > 0 {
		a.reactor.log.Warn("connections that waited to be accepted were turned away", zap.Int("connections", n))
	}
}

// await waits until a connection has arrived at a closed TCP queue, at most so long, and reports whether one has.
func (a *lastAccept) await(limit time.Duration) bool {
	var polled []unix.PollFd
	for _, q := range a.queues {
		if q.closed && q.listener.addr.Network() != "unix" {
			polled = append(polled, unix.PollFd{Fd: int32(q.fd), Events: unix.POLLIN})
		}
	}
	if len(polled) == 0 || limit <= 0 {
		return false
	}
	n, err := unix.Poll(polled, int(limit.Milliseconds()))
	return n > 0 || err == unix.EINTR
}

// empty accepts the connections of q, of a queue that is not closed as many as wait now.
func (a *lastAccept) empty(q *queue) {
	for most := waitingConnections(q.fd); most > 0 || q.closed; most-- {
		fd, _, err := unix.Accept4(q.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch err {
		case nil:
			a.admit(q, fd)
		case unix.EINTR, unix.ECONNABORTED:
		default:
			return
		}
	}
}

// admit passes an accepted connection to a Loop that is not stalled, or turns it away.
func (a *lastAccept) admit(q *queue, fd int) {
	r, l := a.reactor, q.loop
	if a.ctx.Err() != nil || l.engine.Load() == nil || r.present() >= r.gate.capacity() {
		a.away.tell(fd, q.listener)
		return
	}
	if l.stalled.Load() {
		if running := r.nextRunning(&a.next); running != nil {
			l = running
		}
	}
	q.listener.prepare(q.loop, fd)
	l.admit(q.listener, fd)
}

// waitingConnections returns the number of connections that wait in the listening socket fd; for unix sockets, whose
// number is unknown, the longest possible queue.
func waitingConnections(fd int) int {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return listenBacklog
	}
	return int(info.Unacked)
}

// acceptFor accepts one connection from fd, a listening socket of ln, and passes it to l. It returns the error of
// accept4. On any goroutine.
func acceptFor(l *Loop, ln *listener, fd int) error {
	accepted, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return err
	}
	ln.prepare(l, accepted)
	l.admit(ln, accepted)
	return nil
}

// admit makes an accepted socket of ln a connection of the Loop. On any goroutine.
func (l *Loop) admit(ln *listener, accepted int) {
	l.stats.accepted.Add(1)
	l.arrivals.add(l, &arrival{fresh: accepted, listener: ln})
}
