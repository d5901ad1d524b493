//go:build linux

package server

import (
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/ws"
)

// wire is the socket's implementation of spi.Wire. User code calls its methods.
type wire socket

var (
	_ spi.Wire   = (*wire)(nil)
	_ spi.Guard  = (*loop)(nil)
	_ spi.Budget = (*loop)(nil)
)

func (w *wire) enter() bool {
	if !w.loop.r.Enter(w.conn) {
		return false
	}
	if w.ended {
		w.loop.r.Leave()
		return false
	}
	// The machine's time may be that of an earlier turn.
	w.loop.tickTurn()
	return true
}

func (w *wire) leave() { w.loop.r.Leave() }

// Loop implements spi.Wire.
func (w *wire) Loop() app.Loop { return (*socketLoop)(w) }

// Home implements spi.Wire.
func (w *wire) Home() app.Loop { return w.loop }

// Conn implements spi.Wire.
func (w *wire) Conn() *app.ConnInfo {
	if !w.loop.r.Enter(w.conn) {
		return &app.ConnInfo{}
	}
	defer w.leave()
	info := w.loop.describe(w.conn)
	return &info
}

// Send implements spi.Wire.
func (w *wire) Send(kind websocket.Kind, p []byte) (int, error) {
	if !w.enter() {
		return 0, websocket.ErrClosed
	}
	defer w.leave()
	s := (*socket)(w)
	if s.isFull() {
		return 0, app.ErrQueueFull
	}
	if err := w.machine.Send(ws.Opcode(kind), p); err != nil {
		return 0, socketError(err)
	}
	return s.queued(), nil
}

// SendPrepared implements spi.Wire.
func (w *wire) SendPrepared(p *websocket.Prepared, limit int) (int, error) {
	if !w.enter() {
		return 0, websocket.ErrClosed
	}
	defer w.leave()
	s := (*socket)(w)
	encoded, err := preparedOf(p)
	switch {
	case err != nil:
		return 0, err
	case s.machine.Queued() > limit || s.isFull():
		return 0, app.ErrQueueFull
	}
	if err := w.machine.SendPrepared(encoded); err != nil {
		return 0, socketError(err)
	}
	return s.queued(), nil
}

// Begin implements spi.Wire.
func (w *wire) Begin(kind websocket.Kind) error {
	if !w.enter() {
		return websocket.ErrClosed
	}
	defer w.leave()
	if (*socket)(w).isFull() {
		return app.ErrQueueFull
	}
	return socketError(w.machine.Begin(ws.Opcode(kind)))
}

// Write implements spi.Wire.
func (w *wire) Write(p []byte) (int, error) {
	if !w.enter() {
		return 0, websocket.ErrClosed
	}
	defer w.leave()
	if err := w.machine.Write(p); err != nil {
		return 0, socketError(err)
	}
	w.carrier.announce()
	return w.machine.Queued(), nil
}

// End implements spi.Wire.
func (w *wire) End() (int, error) {
	if !w.enter() {
		return 0, websocket.ErrClosed
	}
	defer w.leave()
	if err := w.machine.End(); err != nil {
		return 0, socketError(err)
	}
	return (*socket)(w).queued(), nil
}

// Ping implements spi.Wire.
func (w *wire) Ping(payload []byte) error {
	if !w.enter() {
		return websocket.ErrClosed
	}
	defer w.leave()
	err := w.machine.Ping(payload)
	w.carrier.announce()
	return socketError(err)
}

// Close implements spi.Wire.
func (w *wire) Close(code int, reason string) error {
	if !w.enter() {
		return websocket.ErrClosed
	}
	defer w.leave()
	w.loop.tick()
	if err := w.machine.Close(ws.CloseCode(code), reason); err != nil {
		return socketError(err)
	}
	(*socket)(w).closing()
	return nil
}

// Queued implements spi.Wire. What has left the machine, and waits in the reactor or for HTTP/2's next
// frame, does not count: that is bounded for a connection as a whole.
func (w *wire) Queued() (bytes, messages int) {
	if !w.enter() {
		return 0, 0
	}
	defer w.leave()
	return w.machine.Queued(), (*socket)(w).messages()
}

// AwaitDrain implements spi.Wire.
func (w *wire) AwaitDrain(low int) {
	if !w.enter() {
		return
	}
	defer w.leave()
	w.low = int32(low) + 1
}

// Resume implements spi.Wire.
func (w *wire) Resume() {
	if !w.enter() {
		return
	}
	defer w.leave()
	(*socket)(w).resume()
}

// Fail implements spi.Wire.
func (w *wire) Fail(err error) {
	if !w.enter() {
		return
	}
	defer w.leave()
	(*socket)(w).handlerFailed(err)
}

// socketLoop is the app.Loop of a socket. A task that stalls the loop is blamed on the socket's connection.
type socketLoop socket

func (l *socketLoop) Index() int     { return l.loop.r.Index() }
func (l *socketLoop) Now() time.Time { return l.loop.r.Now() }
func (l *socketLoop) State() any     { return l.loop.state }

// Post implements app.Loop.
func (l *socketLoop) Post(task func()) {
	l.loop.r.Post(func() { (*socket)(l).run(task) })
}

// After implements app.Loop.
func (l *socketLoop) After(d time.Duration, task func()) app.Timer {
	return l.loop.arm(d, func() { (*socket)(l).run(task) })
}

// Enter implements spi.Guard.
func (l *loop) Enter() bool { return l.r.Enter(nil) }

// Leave implements spi.Guard.
func (l *loop) Leave() { l.r.Leave() }

// Charge implements spi.Budget.
func (l *loop) Charge(units int) { l.r.Charge(units) }

// Spent implements spi.Budget.
func (l *loop) Spent() bool { return l.r.Spent() }
