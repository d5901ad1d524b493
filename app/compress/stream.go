package compress

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/gatewheel/gatewheel/app"
)

// streamed compresses the content of a stream.
func (c *compressor) streamed(from *app.Stream, coding coding) *app.Stream {
	return &app.Stream{
		Size:    -1,
		OnClose: func() { from.Close() },
		Produce: func(w *app.Writer) app.Future[app.Done] {
			p := &pipe{w: w, enc: c.encoders.get(coding)}
			return p.finish(from.Produce(w.Wrap(p.write)))
		},
	}
}

// pulled compresses the content of a pull.
func (c *compressor) pulled(r *app.Request, from *app.Pull, coding coding) *app.Stream {
	return &app.Stream{
		Size:    -1,
		OnClose: func() { from.Close() },
		Produce: func(w *app.Writer) app.Future[app.Done] {
			p := &pipe{w: w, enc: c.encoders.get(coding)}
			buf := make([]byte, inline)
			return p.finish(app.While(func() app.Future[bool] {
				n, err := from.Read(buf)
				switch {
				case err != nil && err != io.EOF:
					return app.Failed[bool](err)
				case n == 0 && err == nil && from.Wait != nil:
					more, f := app.Promised[bool](r)
					from.Wait(func() { more.Resolve(true) })
					return f
				}
				if err == io.EOF && from.Trailers != nil {
					for _, f := range from.Trailers() {
						w.Trailer(f.Name, f.Value)
					}
				}
				return app.Map(p.encode(buf[:n]), func(app.Done) (bool, error) { return err == nil, nil })
			}))
		},
	}
}

// chunk is the number of encoded bytes that are collected before they are written.
const chunk = 16 << 10

// pipe is an encoder between a producer and the writer of the response. Its steps run one
// after another; last is the latest. It belongs to the loop.
type pipe struct {
	w       *app.Writer
	enc     *encoder
	last    app.Future[app.Done]
	spent   int  // of turn
	flushes bool // a flush is posted
	ended   bool // the producer is done
}

// step runs a step after all earlier ones.
func (p *pipe) step(do func(app.Done) app.Future[app.Done]) app.Future[app.Done] {
	p.last = app.Then(p.last, do)
	return p.last
}

// write takes content from the producer. It flushes at the end of the turn.
func (p *pipe) write(b []byte) app.Future[int] {
	f := p.encode(b)
	if !p.flushes {
		p.flushes = true
		p.w.Request().Loop().Post(p.flush)
	}
	return app.Map(f, func(app.Done) (int, error) { return len(b), nil })
}

func (p *pipe) encode(b []byte) app.Future[app.Done] {
	return p.step(func(app.Done) app.Future[app.Done] {
		return app.Then(p.feed(b), func(app.Done) app.Future[app.Done] {
			if p.enc.out.Len() < chunk {
				return app.Ready(app.Done{})
			}
			return p.deliver()
		})
	})
}

// feed encodes b, on the pool if it is long and the pool has room.
func (p *pipe) feed(b []byte) app.Future[app.Done] {
	if len(b) <= inline {
		return p.feedHere(b)
	}
	f := app.Offload(p.w.Request(), func(context.Context) (app.Done, error) {
		_, err := p.enc.sink.Write(b)
		return app.Done{}, err
	})
	if !f.Ready() {
		return f
	}
	if _, err := f.Result(); !errors.Is(err, app.ErrPoolFull) {
		return f // the pool was quick
	}
	return app.While(func() app.Future[bool] {
		part := b[:min(len(b), inline)]
		b = b[len(part):]
		return app.Map(p.feedHere(part), func(app.Done) (bool, error) { return len(b) > 0, nil })
	})
}

// feedHere encodes a short b on the loop, after other work if the stream has used up its
// turn.
func (p *pipe) feedHere(b []byte) app.Future[app.Done] {
	if _, err := p.enc.sink.Write(b); err != nil {
		return app.Failed[app.Done](err)
	}
	if p.spent += len(b) + call; p.spent < turn {
		return app.Ready(app.Done{})
	}
	p.spent = 0
	r := p.w.Request()
	next, f := app.Promised[app.Done](r)
	r.Loop().Post(func() { next.Resolve(app.Done{}) })
	// With so little output, writing may not detect that the peer has left. Sleep does.
	return app.Then(f, func(app.Done) app.Future[app.Done] { return app.Sleep(r, 0) })
}

func result(_ app.Done, err error) app.Future[app.Done] {
	if err != nil {
		return app.Failed[app.Done](err)
	}
	return app.Ready(app.Done{})
}

// deliver writes the encoded content.
func (p *pipe) deliver() app.Future[app.Done] {
	if p.enc.out.Len() == 0 {
		return app.Ready(app.Done{})
	}
	out := p.enc.out.Bytes()
	p.enc.out = bytes.Buffer{}
	return p.w.WriteAll(out)
}

// flush flushes the encoder, as a task of the loop.
func (p *pipe) flush() {
	p.flushes = false
	if p.ended {
		return
	}
	p.step(func(app.Done) app.Future[app.Done] {
		if err := p.enc.sink.Flush(); err != nil {
			return app.Failed[app.Done](err)
		}
		return p.deliver()
	})
}

// finish ends the encoding after the producer.
func (p *pipe) finish(produced app.Future[app.Done]) app.Future[app.Done] {
	closed := app.Then(produced, func(app.Done) app.Future[app.Done] {
		p.ended = true
		return p.step(func(app.Done) app.Future[app.Done] {
			if err := p.enc.sink.Close(); err != nil {
				return app.Failed[app.Done](err)
			}
			return p.deliver()
		})
	})
	return app.After(closed, func(_ app.Done, err error) app.Future[app.Done] {
		p.ended = true
		// If the producer has failed, the encoder may still run on the pool.
		return app.After(p.last, func(app.Done, error) app.Future[app.Done] {
			p.enc.release()
			return result(app.Done{}, err)
		})
	})
}
