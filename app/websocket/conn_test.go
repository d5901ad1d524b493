package websocket_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/websocket"
)

func TestBlockingEcho(t *testing.T) {
	e := &websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		for {
			m, err := c.Read(ctx)
			if err != nil {
				return err
			}
			if m.Text() == "quit" {
				return nil
			}
			if err := c.Write(ctx, m.Kind, m.Data); err != nil {
				return err
			}
		}
	}}
	host := accepting(e, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	socket.Say("one")
	socket.SayPiece(websocket.Text, "two ", true, false)
	socket.SayPiece(websocket.Text, "halves", false, true)
	socket.Say("quit")
	if want := []string{"one", "two halves"}; !slices.Equal(texts(socket.Heard), want) {
		t.Errorf("heard %q", texts(socket.Heard))
	}
	if socket.CloseCode != websocket.CloseNormal || !socket.Ended || socket.Err != nil || host.Goroutines() != 0 {
		t.Errorf("closed with %d, %v, %v", socket.CloseCode, socket.Err, host)
	}
}

// The goroutine learns how the socket has ended, also what was read before.
func TestBlockingReadFails(t *testing.T) {
	var read []string
	var failure error
	proceed := make(chan struct{})
	host := accepting(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		<-proceed
		for {
			m, err := c.Read(ctx)
			if err != nil {
				failure = err
				if err := c.Write(ctx, websocket.Text, nil); !errors.Is(err, websocket.ErrClosed) {
					t.Errorf("write: %v", err)
				}
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), websocket.ErrClosed) {
					t.Errorf("cause %v", context.Cause(ctx))
				}
				return err
			}
			read = append(read, m.Text())
		}
	}}, 1)
	socket := host.Start(apptest.Get("/")).Socket()
	host.Loop(0).Post(func() { socket.App().Close(4001, "gone") })
	go close(proceed)
	socket.Say("dropped by the close")
	var closed websocket.Closed
	if !errors.As(failure, &closed) || closed.Code != 4001 || !errors.Is(failure, websocket.ErrClosed) || read != nil {
		t.Errorf("read %q, %v", read, failure)
	}
	if socket.Err != nil {
		t.Errorf("logged %v", socket.Err)
	}
}

func TestBlockingServeEnds(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		serve  func(context.Context, *websocket.Conn) error
		code   int
		reason string
		logged error
	}{
		"nil": {func(context.Context, *websocket.Conn) error { return nil }, websocket.CloseNormal, "", nil},
		"closed": {func(context.Context, *websocket.Conn) error {
			return websocket.Closed{Code: 4002, Reason: "as I like"}
		}, 4002, "as I like", nil},
		"error": {func(context.Context, *websocket.Conn) error { return boom }, websocket.CloseInternalError, "", boom},
		"panic": {func(context.Context, *websocket.Conn) error { panic(boom) }, websocket.CloseInternalError, "", boom},
		"close": {func(ctx context.Context, c *websocket.Conn) error {
			if err := c.Close(1006, ""); !errors.Is(err, websocket.ErrClose) {
				t.Errorf("1006 is never sent: %v", err)
			}
			return c.Close(4003, "earlier")
		}, 4003, "earlier", nil},
	} {
		t.Run(name, func(t *testing.T) {
			socket := accepting(&websocket.Endpoint{Serve: c.serve}, 1).Do(apptest.Get("/")).Socket()
			if socket.CloseCode != c.code || socket.CloseReason != c.reason || !errors.Is(socket.Err, c.logged) || !socket.Ended {
				t.Errorf("closed with %d %q, logged %v", socket.CloseCode, socket.CloseReason, socket.Err)
			}
		})
	}
}

// A goroutine that begins to read late gets everything, more than what may wait
// for it included.
func TestBlockingReadBehindThePeer(t *testing.T) {
	proceed := make(chan struct{})
	var read int
	host := accepting(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		<-proceed
		for {
			m, err := c.Read(ctx)
			if err != nil {
				return err
			}
			read += len(m.Data)
		}
	}}, 1)
	socket := host.Start(apptest.Get("/")).Socket()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 10 {
			socket.SayPiece(websocket.Binary, strings.Repeat("x", 20<<10), true, true)
		}
	}()
	close(proceed)
	<-done
	if read != 200<<10 {
		t.Errorf("read %d bytes", read)
	}
	socket.Close(websocket.CloseNormal, "")
}

func TestBlockingWriteWaitsForThePeer(t *testing.T) {
	const messages = 20
	host := accepting(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		for range messages {
			if err := c.Write(ctx, websocket.Binary, make([]byte, 20<<10)); err != nil {
				return err
			}
		}
		return nil
	}}, 1)
	call := host.Do(&apptest.Request{Target: "/", Slow: true})
	socket := call.Socket()
	if bytes, _ := socket.App().Queued(); bytes > 100<<10 || host.Goroutines() != 1 {
		t.Fatalf("%d bytes queued, %v", bytes, host)
	}
	for !socket.Ended {
		socket.Take(1)
		if bytes, _ := socket.App().Queued(); bytes > 100<<10 {
			t.Fatalf("%d bytes queued", bytes)
		}
	}
	if len(socket.Heard) != messages || socket.CloseCode != websocket.CloseNormal {
		t.Errorf("%d heard, closed with %d", len(socket.Heard), socket.CloseCode)
	}
}

// Large messages pass through a goroutine in parts; a whole message waits for one
// that is written in parts.
func TestBlockingStreams(t *testing.T) {
	host := accepting(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		for {
			kind, r, err := c.Reader(ctx)
			if err != nil {
				return err
			}
			w, err := c.Writer(ctx, kind)
			if err != nil {
				return err
			}
			expired, cancel := context.WithCancel(ctx)
			cancel()
			if err := c.Write(expired, websocket.Text, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("within a message: %v", err)
			}
			if _, err := io.Copy(w, io.LimitReader(r, 50<<10)); err != nil {
				return err
			}
			if err := w.Close(); err != nil {
				return err
			}
		}
	}}, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	part := strings.Repeat("x", 20<<10)
	socket.SayPiece(websocket.Binary, part, true, false)
	if len(socket.Heard) != 0 {
		t.Error("heard before the end")
	}
	socket.SayPiece(websocket.Binary, part, false, false)
	socket.SayPiece(websocket.Binary, part, false, true)
	socket.Say("a small one")
	// The host counts the goroutine whose context has ended as waiting.
	settled(t, host.Settle, func() bool { return len(socket.Heard) >= 2 })
	if len(socket.Heard) != 2 || len(socket.Heard[0].Data) != 50<<10 || socket.Heard[1].Text() != "a small one" {
		t.Errorf("heard %d messages", len(socket.Heard))
	}
	if socket.Frames < 5 {
		t.Errorf("in %d frames", socket.Frames)
	}
	socket.Close(websocket.CloseNormal, "")
	if host.Goroutines() != 0 {
		t.Error(host)
	}
}

// A Read that its context has ended goes on where it was.
func TestBlockingReadWithContext(t *testing.T) {
	expire, expired := make(chan context.CancelFunc, 1), make(chan struct{})
	host := accepting(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		short, cancel := context.WithCancel(ctx)
		expire <- cancel
		if _, err := c.Read(short); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		close(expired)
		m, err := c.Read(ctx)
		if err != nil {
			return err
		}
		return c.Write(ctx, m.Kind, m.Data)
	}}, 1)
	socket := host.Do(apptest.Get("/")).Socket()
	socket.SayPiece(websocket.Text, "two ", true, false)
	(<-expire)()
	<-expired
	socket.SayPiece(websocket.Text, "halves", false, true)
	if !slices.Equal(texts(socket.Heard), []string{"two halves"}) || !socket.Ended {
		t.Errorf("heard %q", texts(socket.Heard))
	}
}

func TestBlockingReadsThatHaveEndedHoldNothing(t *testing.T) {
	const reads = 20000
	var before, after runtime.MemStats
	done := make(chan struct{})
	host := accepting(&websocket.Endpoint{Serve: func(ctx context.Context, c *websocket.Conn) error {
		defer close(done)
		over, cancel := context.WithCancel(ctx)
		cancel()
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range reads {
			if _, err := c.Read(over); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(c)
		return nil
	}}, 1)
	host.Do(apptest.Get("/"))
	<-done // contexts end without the host's knowledge
	host.Settle()
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > reads*16 {
		t.Errorf("%d reads hold %d bytes", reads, held)
	}
}
