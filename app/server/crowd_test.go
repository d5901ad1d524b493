//go:build linux

package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"golang.org/x/sys/unix"
)

// Ten thousand connections are held idle and used again, without an error. What an idle one costs is told, and
// bounded by twice the goal of docs/architecture.md, since other tests run at the same time.
func TestTenThousandIdleConnections(t *testing.T) {
	connections := 10_000
	if raceEnabled || testing.Short() {
		connections = 2_000
	}
	for protocol, goal := range map[string]float64{"HTTP/1.1": 1.0, "HTTP/2": 2.5} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, "target")
			s := c.site()
			before := c.warmUp(s, protocol == "HTTP/2")
			peers := startChild(t, "crowd")
			if answer := peers.ask(fmt.Sprint("open ", s.addr, " ", connections, " ", protocol)); answer != "ok" {
				t.Fatal(answer)
			}
			c.ask("collect")
			after, _ := c.memory()
			each := float64(after-before) / 1024 / float64(connections)
			t.Logf("%.2f KB an idle connection (goal %.1f)", each, goal)
			if path := os.Getenv("GATEWHEEL_PROFILE"); path != "" {
				t.Log(c.ask("profile"))
			}
			if !raceEnabled && each > 2*goal {
				t.Errorf("an idle connection costs %.2f KB, goal %.1f", each, goal)
			}
			if n := c.stats().Connections; n != connections {
				t.Errorf("%d connections are open", n)
			}
			if answer := peers.ask("again"); answer != "ok" {
				t.Fatal(answer)
			}
		})
	}
}

// writeProfile writes the child's heap profile where the environment says.
func writeProfile() string {
	f, err := os.Create(os.Getenv("GATEWHEEL_PROFILE") + strconv.Itoa(os.Getpid()))
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if err := pprof.Lookup("heap").WriteTo(f, 0); err != nil {
		return err.Error()
	}
	return f.Name()
}

// beCrowd is many clients: "open address n protocol" connects them and has each ask once, "again" has each ask
// once more.
func beCrowd(in io.Reader, out io.Writer) error {
	var all []*client
	for {
		var command, address, protocol string
		var n int
		if _, err := fmt.Fscan(in, &command); err != nil {
			return nil
		}
		var err error
		if command == "open" {
			if _, err := fmt.Fscan(in, &address, &n, &protocol); err != nil {
				return err
			}
			for range n {
				all = append(all, &client{two: protocol == "HTTP/2"})
			}
			err = each(all, func(i int, c *client) error { return errors.Join(c.connect(address, i), c.ask()) })
		} else {
			err = each(all, func(_ int, c *client) error { return c.ask() })
		}
		answer := "ok"
		if err != nil {
			answer = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Fprintln(out, answer)
	}
}

// each does something with all clients, a few at a time, until one fails.
func each(all []*client, do func(int, *client) error) error {
	var workers sync.WaitGroup
	var mu sync.Mutex
	var next int
	var first error
	for range 32 {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				stop := i >= len(all) || first != nil
				mu.Unlock()
				if stop {
					return
				}
				if err := do(i, all[i]); err != nil {
					mu.Lock()
					first = err
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	return first
}

// client is one connection of a crowd. It keeps no buffer.
type client struct {
	net.Conn
	two    bool
	stream uint32
}

// connect takes a source address of several, whose ports are chosen by destination.
func (c *client) connect(address string, i int) (err error) {
	d := net.Dialer{
		LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))},
		Timeout:   patience,
		Control: func(_, _ string, raw syscall.RawConn) error {
			var set error
			err := raw.Control(func(fd uintptr) {
				set = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
			})
			return errors.Join(err, set)
		},
	}
	c.Conn, err = d.DialContext(context.Background(), "tcp", address)
	return err
}

func (c *client) ask() error {
	if c.Conn == nil {
		return nil
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if c.two {
		return c.ask2()
	}
	if _, err := io.WriteString(c, get("/")); err != nil {
		return err
	}
	buf := make([]byte, 512)
	for n := 0; ; {
		m, err := c.Read(buf[n:])
		n += m
		if bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200 ")) && bytes.HasSuffix(buf[:n], []byte("Hello, World!")) {
			return nil
		}
		if err != nil || n == len(buf) {
			return fmt.Errorf("heard %q, %v", buf[:n], err)
		}
	}
}

func (c *client) ask2() error {
	var words, block bytes.Buffer
	framer := http2.NewFramer(&words, c)
	if c.stream == 0 {
		words.WriteString(http2.ClientPreface)
		_ = framer.WriteSettings()
		_ = framer.WriteSettingsAck()
		c.stream = 1
	} else {
		c.stream += 2
	}
	encode := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
		_ = encode.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: c.stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	if _, err := words.WriteTo(c); err != nil {
		return err
	}
	for {
		var head [9]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return err
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(c, payload); err != nil {
			return err
		}
		stream := binary.BigEndian.Uint32(head[5:])
		kind, flags := http2.FrameType(head[3]), http2.Flags(head[4])
		switch {
		case kind == http2.FrameGoAway, kind == http2.FrameRSTStream:
			return fmt.Errorf("heard %v", kind)
		case stream == c.stream && kind == http2.FrameData && flags.Has(http2.FlagDataEndStream):
			if string(payload) != "Hello, World!" {
				return fmt.Errorf("heard %q", payload)
			}
			return nil
		}
	}
}

// At the limit of connections newcomers are told so, and when others leave there is room again.
func TestMaxConnections(t *testing.T) {
	s := startChild(t, "target", "MAX_CONNECTIONS=3").site()
	held := []*line{s.dial(), s.dial(), s.dial()}
	for _, l := range held {
		l.say(get("/"))
		l.hear("GET", 200, "Hello, World!")
	}
	l := s.dial()
	l.say(get("/"))
	response := l.status("GET", 503)
	if response.Header.Get("Retry-After") == "" || !response.Close {
		t.Errorf("fields %v", response.Header)
	}
	l.end()
	if _, err := s.client2().Get(s.url("/")); err == nil {
		t.Error("an HTTP/2 client was served beyond the limit")
	}
	// Those who were refused and stay take nobody's place.
	for range 5 {
		refused := s.dial()
		refused.status("GET", 503)
	}
	held[0].close()
	eventually(t, "a newcomer is served again", func() bool {
		response, err := s.client().Get(s.url("/"))
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == 200
	})
	held[1].say(get("/"))
	held[1].hear("GET", 200, "Hello, World!")
}

// At the limit of descriptors newcomers wait in the listening socket until others leave; nobody is lost.
func TestDescriptorLimit(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			c := startChild(t, "target", "DESCRIPTORS=120")
			s := c.site()
			limit := c.stats().Limit
			if limit < 20 || limit > 100 {
				t.Fatalf("limit of %d connections", limit)
			}
			two := protocol == "HTTP/2"
			var held []*client
			for i := range limit {
				k := &client{two: two}
				if err := errors.Join(k.connect(s.addr, i), k.ask()); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { k.Close() })
				held = append(held, k)
			}
			answers := make(chan error, 10)
			for i := range cap(answers) {
				k := &client{two: two}
				if err := k.connect(s.addr, i); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { k.Close() })
				go func() { answers <- k.ask() }()
			}
			if n := c.stats(); n.Withheld == 0 || n.Connections > limit {
				t.Errorf("withheld %d times, %d connections of %d", n.Withheld, n.Connections, limit)
			}
			for _, k := range held[:len(held)/2] {
				if err := k.ask(); err != nil {
					t.Fatal(err)
				}
				k.Close()
			}
			for range cap(answers) {
				if err := <-answers; err != nil {
					t.Error(err)
				}
			}
			for _, k := range held[len(held)/2:] {
				if err := k.ask(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
