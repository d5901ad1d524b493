package target

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/websocket"
)

func TestFloodsOfOneSizeShareTheirMessage(t *testing.T) {
	first := floodMessage(1 << 20)
	if floodMessage(1<<20) != first {
		t.Error("each has its own")
	}
	if len(first.Data()) != 1<<20 {
		t.Errorf("it has %d bytes", len(first.Data()))
	}
	runtime.KeepAlive(first)
	runtime.GC()
	last := floodMessage(1)
	if n := len(floods.messages); n != 1 {
		t.Errorf("%d sizes are kept, want 1", n)
	}
	runtime.KeepAlive(last)
}

// A message is made when the opening handshake has been accepted, and not for who only asks.
func TestFloodMakesNothingBeforeTheHandshake(t *testing.T) {
	newFlood(SocketLimits{})(&app.Request{Method: "GET", RawQuery: "size=12345678"})
	if _, made := floods.messages[12345678]; made {
		t.Error("a message was made")
	}
}

// Whatever sizes are asked for, what is held has a bound; messages beyond it are sent all the same.
func TestFloodsOfManySizes(t *testing.T) {
	var held []*websocket.Prepared
	for i := range int64(100) {
		held = append(held, floodMessage(maxFlood-i))
	}
	sum := 0
	for _, message := range held {
		if message != nil {
			sum += len(message.Data())
		}
	}
	if sum == 0 || sum > floodMemory {
		t.Errorf("%d bytes are held, want %d at most", sum, floodMemory)
	}
	host := apptest.New(newFlood(SocketLimits{}))
	for _, size := range []int{0, 1, blockSize, blockSize + 1, 3 * blockSize, maxFlood - 50} {
		request := &apptest.Request{Target: fmt.Sprintf("/?n=3&size=%d", size), Slow: true}
		socket := host.Do(request).Socket()
		for most := blockSize + max(size, blockSize); !socket.Ended; socket.Take(1) {
			if bytes, _ := socket.App().Queued(); bytes > most || size > 2*blockSize && bytes > 3*blockSize {
				t.Fatalf("size %d: %d bytes are queued", size, bytes)
			}
		}
		if len(socket.Heard) != 3 || socket.CloseCode != websocket.CloseNormal {
			t.Errorf("size %d: %d messages, closed with %d", size, len(socket.Heard), socket.CloseCode)
		}
		for _, m := range socket.Heard {
			if m.Kind != websocket.Binary || len(m.Data) != size {
				t.Errorf("size %d: a message of kind %d and %d bytes", size, m.Kind, len(m.Data))
			}
		}
	}
	runtime.KeepAlive(held)
}
