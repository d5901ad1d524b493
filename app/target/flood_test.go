package target

import (
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/websocket"
)

// A flood costs what waits for its peer and nothing else, whatever the size of its messages.
func TestFloodSendsMessages(t *testing.T) {
	host := apptest.New(newFlood(SocketLimits{}))
	for _, size := range []int{0, 1, 1 << 10, 100 << 10, maxFlood} {
		request := &apptest.Request{Target: fmt.Sprintf("/?n=3&size=%d", size), Slow: true}
		socket := host.Do(request).Socket()
		for !socket.Ended {
			if bytes, _ := socket.App().Queued(); bytes > size+64<<10 {
				t.Fatalf("size %d: %d bytes are queued", size, bytes)
			}
			socket.Take(1)
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
}
