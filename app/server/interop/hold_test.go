//go:build linux

package interop

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/websocket"
)

const (
	idleSockets = 10_000
	// warmSockets come first, so that the program's own pages do not count.
	warmSockets = 500
	// idleBytes is the goal for an idle WebSocket, all layers, in bytes of resident memory: 1.2 KB.
	idleBytes = 1229
	// holdAddress makes a process of this test's program the client that holds the sockets, so that their
	// other ends do not count; holdCount is how many.
	holdAddress, holdCount = "INTEROP_HOLD", "INTEROP_HOLD_COUNT"
)

// hold opens the sockets, says so, waits for one message on each, and says that too.
func hold(address string) {
	var wait sync.WaitGroup
	count, err := strconv.Atoi(os.Getenv(holdCount))
	if err != nil {
		fail(err)
	}
	readers := make([]*bufio.Reader, count)
	for worker := range 16 {
		wait.Go(func() {
			for i := worker; i < len(readers); i += 16 {
				readers[i] = opened(address)
			}
		})
	}
	wait.Wait()
	fmt.Println("open")
	for worker := range 16 {
		wait.Go(func() {
			for i := worker; i < len(readers); i += 16 {
				head := make([]byte, 2)
				if _, err := io.ReadFull(readers[i], head); err != nil || string(head) != "\x81\x05" {
					fail(head, err)
				}
				if _, err := io.CopyN(io.Discard, readers[i], 5); err != nil {
					fail(err)
				}
			}
		})
	}
	wait.Wait()
	fmt.Println("heard")
	io.Copy(io.Discard, os.Stdin)
}

func opened(address string) *bufio.Reader {
	c, err := net.Dial("tcp", address)
	if err != nil {
		fail(err)
	}
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", address)
	r := bufio.NewReaderSize(c, 512)
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != 101 {
		fail(response, err)
	}
	return r
}

func fail(what ...any) {
	fmt.Fprintln(os.Stderr, what...)
	os.Exit(1)
}

// resident is this process's resident memory in bytes, without what the runtime would give back.
func resident(t *testing.T) int {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, err := strconv.Atoi(strings.Fields(line)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes << 10
}

func live() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Idle sockets are cheap, and one broadcast reaches them all.
func TestIdleSockets(t *testing.T) {
	room := websocket.NewRoom(websocket.RoomOptions{})
	member := &websocket.Endpoint{Open: func(s *websocket.Socket, _ *app.Request) { room.Join(s) }}
	s := serveHandler(t, func(*app.Request) app.Answer { return app.Ready(websocket.Accept(member)) })
	var before, each, liveBefore, liveEach int
	s.holding(warmSockets, room, func() {})
	before, liveBefore = resident(t), live()
	s.holding(idleSockets, room, func() {
		each, liveEach = (resident(t)-before)/idleSockets, (live()-liveBefore)/idleSockets
	})
	t.Logf("%d bytes of resident memory an idle socket, %d of them in live objects", each, liveEach)
	if each > idleBytes {
		t.Errorf("%d bytes of resident memory an idle socket, want %d at most", each, idleBytes)
	}
}

// holding has another process open so many sockets, which join the room, calls then, and has them hear one
// broadcast.
func (s *site) holding(count int, room *websocket.Room, then func()) {
	t := s.t
	client := exec.Command(os.Args[0])
	client.Env = append(os.Environ(), holdAddress+"="+s.plain, holdCount+"="+strconv.Itoa(count))
	client.Stderr = os.Stderr
	stop, err := client.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Process.Kill() })
	said := bufio.NewScanner(out)
	hear := func(want string) {
		if !said.Scan() || said.Text() != want {
			t.Fatalf("the client said %q, %v, want %q", said.Text(), said.Err(), want)
		}
	}
	hear("open")
	then()
	if room.Len() != count {
		t.Errorf("%d members, want %d", room.Len(), count)
	}
	if err := room.Broadcast(websocket.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	hear("heard")
	stop.Close()
	client.Wait()
	for room.Len() > 0 {
		runtime.Gosched()
	}
}
