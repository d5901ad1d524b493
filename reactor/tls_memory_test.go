package reactor

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// memoryPipe is a client's connection to a machine that a test drives by hand: what the client
// writes is kept until the test takes it, what the test gives is what the client reads. Reading
// with nothing given is an end.
type memoryPipe struct {
	mu   sync.Mutex
	more sync.Cond
	sent []byte
	in   []byte
	open bool // Read waits
}

func newMemoryPipe() *memoryPipe {
	p := &memoryPipe{open: true}
	p.more.L = &p.mu
	return p
}

func (p *memoryPipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.in) == 0 && p.open {
		p.more.Wait()
	}
	if len(p.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.in)
	p.in = p.in[n:]
	return n, nil
}

func (p *memoryPipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, b...)
	p.more.Broadcast()
	return len(b), nil
}

// takeSent gives what the client has written since the last time.
func (p *memoryPipe) takeSent() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	sent := p.sent
	p.sent = nil
	return sent
}

// waitSent is takeSent once there is something, or the client is done.
func (p *memoryPipe) waitSent() []byte {
	p.mu.Lock()
	for len(p.sent) == 0 && p.open {
		p.more.Wait()
	}
	p.mu.Unlock()
	return p.takeSent()
}

func (p *memoryPipe) give(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in = append(p.in, b...)
	p.more.Broadcast()
}

// end makes a Read that finds nothing fail instead of wait.
func (p *memoryPipe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = false
	p.more.Broadcast()
}

func (p *memoryPipe) Close() error                     { p.end(); return nil }
func (p *memoryPipe) LocalAddr() net.Addr              { return nil }
func (p *memoryPipe) RemoteAddr() net.Addr             { return nil }
func (p *memoryPipe) SetDeadline(time.Time) error      { return nil }
func (p *memoryPipe) SetReadDeadline(time.Time) error  { return nil }
func (p *memoryPipe) SetWriteDeadline(time.Time) error { return nil }

// memoryHandshake performs a handshake between machine and the client that it returns, over nothing
// but slices.
func memoryHandshake(t testing.TB, machine *tlsMachine, server, client *tls.Config) *tls.Conn {
	t.Helper()
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	defer pool.wait(nil)
	return memoryHandshakeIn(t, pool, machine, server, client)
}

func memoryHandshakeIn(t testing.TB, pool *handshakePool, machine *tlsMachine, server, client *tls.Config) *tls.Conn {
	t.Helper()
	pipe := newMemoryPipe()
	c := tls.Client(pipe, client)
	failed := make(chan error, 1)
	go func() {
		err := c.Handshake()
		pipe.end()
		failed <- err
	}()
	progress := make(chan struct{}, 16)
	machine.init(server)
	h := newHandshake(pool, machine.conn, func() { progress <- struct{}{} })
	machine.transport.handshake = h
	h.feed(pipe.waitSent())
	h.pool.begin(h)
	for range progress {
		// In this order: what is written before the end is taken after it.
		over, rest, err := h.outcome()
		pipe.give(h.takeOutput(nil))
		if over {
			if err != nil {
				t.Fatal("server's handshake: ", err)
			}
			machine.handshakeDone(rest)
			break
		}
		h.feed(pipe.waitSent())
	}
	if err := <-failed; err != nil {
		t.Fatal("client's handshake: ", err)
	}
	return c
}
