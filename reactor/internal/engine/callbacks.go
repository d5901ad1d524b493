//go:build linux

package engine

import (
	"errors"
	"io"
	"os"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// callbacks are what gnet calls: on the loop, but for OnBoot and OnShutdown. The context of a gnet.Conn is the owner
// of its socket; nil if nobody is to hear of it.
type callbacks struct {
	gnet.BuiltinEventEngine
	engine *gnetEngine
}

func (b *callbacks) OnBoot(g gnet.Engine) gnet.Action {
	if err := b.engine.boot(g); err != nil {
		b.engine.fail(err)
		return gnet.Shutdown
	}
	return gnet.None
}

func (b *callbacks) OnOpen(g gnet.Conn) ([]byte, gnet.Action) {
	e := b.engine
	e.calls++
	if !e.connected {
		if err := e.connect(g); err != nil {
			e.fail(err)
			return nil, gnet.Shutdown
		}
		e.handler.Started()
		e.ready <- nil
		e.handler.Woken()
		return nil, gnet.Close
	}
	if i := placeholderIndex(g.LocalAddr()); i < len(e.config.Listeners) {
		return nil, e.accepted(g, i)
	}
	return nil, e.answer(g)
}

func (b *callbacks) OnTraffic(g gnet.Conn) gnet.Action {
	in, _ := g.Next(-1)
	if owner := g.Context(); owner != nil {
		b.engine.calls++
		b.engine.handler.Input(owner, in)
	}
	return gnet.None
}

// OnClose is called before gnet closes the descriptor.
func (b *callbacks) OnClose(g gnet.Conn, err error) gnet.Action {
	e, owner := b.engine, g.Context()
	if owner == nil {
		return gnet.None
	}
	e.calls++
	e.closing = g.Fd()
	switch asked := e.ending(); {
	case err == nil && !asked:
		e.closing = -1
		e.die()
	case err == nil:
		err = ErrEnded
	case err == io.EOF:
		if fd, stale := e.rescue(g.Fd()); stale {
			g.SetContext(nil)
			e.handler.Displaced(owner, fd)
			e.closing = -1
			return gnet.None
		}
		err = ErrHungUp
	case finished(err):
		err = io.EOF
	}
	e.handler.Closed(owner, err)
	e.closing = -1
	return gnet.None
}

// rescue duplicates a descriptor that gnet closes for an event that was not its own: one in the same batch as the
// event that closed another connection, whose number this one then got. stale reports whether that is so.
func (e *gnetEngine) rescue(fd int) (dup int, stale bool) {
	look := []unix.PollFd{{Fd: int32(fd)}}
	if n, err := unix.Poll(look, 0); n > 0 || err != nil {
		return -1, false
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	return dup, err == nil
}

// OnShutdown is called before gnet closes its epoll set and its listening sockets.
func (b *callbacks) OnShutdown(gnet.Engine) {
	e := b.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.sources {
		e.sources[i].withdraw(e.epoll)
	}
	e.retired, e.gone = true, true
	e.sources = nil
}

// ending reports whether the engine was asked to end.
func (e *gnetEngine) ending() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.asked
}

// finished reports whether err is what gnet passes for a FIN: a read of no bytes. An io.EOF alone stands for an event
// of a socket that cannot be read.
func finished(err error) bool {
	call, ok := errors.AsType[*os.SyscallError](err)
	return ok && call.Err == io.EOF
}
