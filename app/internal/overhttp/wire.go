package overhttp

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/app/websocket"
	"github.com/gatewheel/gatewheel/ws"
)

// wire is the spi.Wire of a socket. Its methods are called on the loop.
type wire socket

var _ spi.Wire = (*wire)(nil)

// Loop implements spi.Wire.
func (w *wire) Loop() app.Loop { return w.x.handler.loop }

// Home implements spi.Wire.
func (w *wire) Home() app.Loop { return w.x.handler.loop }

// Conn implements spi.Wire.
func (w *wire) Conn() *app.ConnInfo { return connInfo(w.x.r, w.x.handler.options.Trust) }

// Send implements spi.Wire.
func (w *wire) Send(kind websocket.Kind, p []byte) (int, error) {
	if w.isFull() {
		return 0, app.ErrQueueFull
	}
	return w.queued(w.machine.Send(ws.Opcode(kind), p))
}

// SendPrepared implements spi.Wire.
func (w *wire) SendPrepared(p *websocket.Prepared, limit int) (int, error) {
	if w.machine.Queued() > limit || w.isFull() {
		return 0, app.ErrQueueFull
	}
	return w.queued(w.machine.Send(ws.Opcode(p.Kind()), p.Data()))
}

// Begin implements spi.Wire.
func (w *wire) Begin(kind websocket.Kind) error {
	if w.isFull() {
		return app.ErrQueueFull
	}
	return socketError(w.machine.Begin(ws.Opcode(kind)))
}

// Write implements spi.Wire.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.machine.Write(p); err != nil {
		return 0, socketError(err)
	}
	(*socket)(w).touch()
	return w.machine.Queued(), nil
}

// End implements spi.Wire.
func (w *wire) End() (int, error) { return w.queued(w.machine.End()) }

// Ping implements spi.Wire.
func (w *wire) Ping(payload []byte) error {
	err := w.machine.Ping(payload)
	(*socket)(w).touch()
	return socketError(err)
}

// Close implements spi.Wire.
func (w *wire) Close(code int, reason string) error {
	(*socket)(w).tick()
	if err := w.machine.Close(ws.CloseCode(code), reason); err != nil {
		return socketError(err)
	}
	(*socket)(w).closing()
	return nil
}

// Queued implements spi.Wire.
func (w *wire) Queued() (bytes, messages int) { return w.machine.Queued(), w.messages() }

// AwaitDrain implements spi.Wire.
func (w *wire) AwaitDrain(low int) { w.low = low }

// Resume implements spi.Wire.
func (w *wire) Resume() { (*socket)(w).resume() }

// Fail implements spi.Wire.
func (w *wire) Fail(err error) { (*socket)(w).failed(err) }

// queued follows the queuing of a message, unless err is not nil.
func (w *wire) queued(err error) (int, error) {
	if err != nil {
		return 0, socketError(err)
	}
	n := w.machine.Queued()
	w.ends = append(w.ends, w.machine.Sent()+uint64(n))
	(*socket)(w).touch()
	return n, nil
}

// messages returns the number of messages in the queue.
func (w *wire) messages() int {
	left := 0
	for left < len(w.ends) && w.ends[left] <= w.machine.Sent() {
		left++
	}
	w.ends = w.ends[left:]
	return len(w.ends)
}

// isFull reports whether the endpoint's limits exclude another message.
func (w *wire) isFull() bool {
	queued := w.machine.Queued()
	bytes, messages := spi.QueueLimits(w.user.Endpoint())
	return queued > 0 && (queued >= bytes || messages > 0 && w.messages() >= messages)
}

// socketError returns the error of package websocket for one of package ws.
func socketError(err error) error {
	switch err {
	case ws.ErrClosed:
		return websocket.ErrClosed
	case ws.ErrText:
		return websocket.ErrText
	}
	return err
}
