//go:build linux

package reactor

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// Connections change loops and engines while they shake hands and while they talk, and none notices.
func TestTLSMoves(t *testing.T) {
	leakChecked(t)
	r, addr := served(t, Config{Loops: 2}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				c, err := tls.Dial("tcp", addr.String(), &tls.Config{InsecureSkipVerify: true})
				if err != nil {
					t.Error("handshake: ", err)
					return
				}
				for range 5 {
					if _, err := ask(c); err != nil {
						t.Error("request: ", err)
					}
				}
				c.Close()
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	swap := func() {
		var moves sync.WaitGroup
		for _, l := range r.loops {
			moves.Add(1)
			l.Post(func() {
				defer moves.Done()
				for _, c := range append([]*Conn(nil), l.conns...) {
					c.MoveTo(r.loops[1-l.index], func(error) {})
				}
			})
		}
		moves.Wait()
	}
	for range 100 {
		swap()
	}
	eventually(t, "some have moved", func() bool {
		swap()
		stats := r.Stats()
		return stats.Loops[0].MovedIn+stats.Loops[1].MovedIn > 0
	})
	close(stop)
	group.Wait()
}

// A loop stalls with TLS connections on it, one in its handshake: all but the blamed one go on.
func TestTLSOnAStalledLoop(t *testing.T) {
	config := brisk()
	config.Loops = 1
	release := make(chan struct{})
	defer close(release)
	closed := make(chan error, 1)
	open := staller(func(*Conn) { <-release }, closed)
	_, addr := served(t, config, ListenerConfig{TLS: serverConfig(t), Open: open})
	client := &tls.Config{InsecureSkipVerify: true}
	say := func(c net.Conn, r *bufio.Reader, text string) {
		t.Helper()
		if _, err := io.WriteString(c, "echo "+text+"\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := r.ReadString('\n'); err != nil || strings.TrimSpace(got) != text {
			t.Fatalf("%q, %v, want %s", got, err, text)
		}
	}
	modern := dialTLS(t, addr, client)
	old := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	modernReader, oldReader := bufio.NewReader(modern), bufio.NewReader(old)
	say(modern, modernReader, "before")
	say(old, oldReader, "before")

	// Half of a ClientHello.
	pipe := newMemoryPipe()
	young, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer young.Close()
	shaking := tls.Client(pipe, client)
	shaken := make(chan error, 1)
	go func() { shaken <- shaking.Handshake() }()
	hello := pipe.waitSent()
	young.Write(hello[:len(hello)/2])

	blamed := dialTLS(t, addr, client)
	if _, err := io.WriteString(blamed, "run\n"); err != nil {
		t.Fatal(err)
	}
	young.Write(hello[len(hello)/2:])
	go io.Copy(writerFunc(pipe.give), young)
	go func() {
		for sent := pipe.waitSent(); len(sent) > 0; sent = pipe.waitSent() {
			young.Write(sent)
		}
	}()
	say(modern, modernReader, "after")
	say(old, oldReader, "after")
	if err := <-shaken; err != nil {
		t.Error("the handshake begun before the stall: ", err)
	}
	io.WriteString(shaking, "echo young\n")
	young.SetReadDeadline(time.Now().Add(patience))
	if got, err := bufio.NewReader(shaking).ReadString('\n'); err != nil || got != "young\n" {
		t.Errorf("its first request: %q, %v", got, err)
	}
	if err := <-closed; err != ErrStalled {
		t.Errorf("the blamed one is told %v, want ErrStalled", err)
	}
	pipe.end()
}

type writerFunc func([]byte)

func (w writerFunc) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// A session that pauses stops its peer, with TLS too: records behind the pause stay in the kernel.
func TestTLSPauseStopsReading(t *testing.T) {
	paused := make(chan *Conn, 1)
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: func(c *Conn) Session {
		paused <- c
		return &pauser{conn: c}
	}})
	c := dialTLS(t, addr, &tls.Config{InsecureSkipVerify: true})
	conn := <-paused
	chunk := make([]byte, 64<<10)
	written := 0
	for {
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, err := c.Write(chunk)
		written += n
		if err != nil {
			break
		}
	}
	kept := make(chan int)
	r.loops[0].Post(func() { kept <- conn.Kept() })
	if got := <-kept; got > 4*readBufferDefault {
		t.Errorf("%d bytes are kept of %d that the client could write, want at most a few reads", got, written)
	}
}

// A pauser takes nothing.
type pauser struct{ conn *Conn }

func (s *pauser) Receive([]byte) int {
	s.conn.Pause()
	return 0
}
func (s *pauser) Transmit(dst []byte, _ int) []byte { return dst }
func (s *pauser) EOF() bool                         { return false }
func (s *pauser) Timeout()                          {}
func (s *pauser) Closed(error)                      {}
