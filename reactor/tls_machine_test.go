package reactor

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/reactor/certs"
)

// memoryServer turns a tlsMachine without a loop or a socket: one goroutine in place of the loop, a
// pipe in place of the socket. It echoes, whatever pieces its input comes in.
type memoryServer struct {
	machine   tlsMachine
	handshake *handshake
	pipe      net.Conn
	chop      func([]byte) [][]byte // how input is cut before the machine sees it

	posts chan func()
	quit  chan struct{}
	done  chan error
	plain []byte
}

func serveMemory(t *testing.T, pool *handshakePool, config *tls.Config, pipe net.Conn, chop func([]byte) [][]byte) *memoryServer {
	s := &memoryServer{pipe: pipe, chop: chop, posts: make(chan func(), 1024), quit: make(chan struct{}), done: make(chan error, 1)}
	s.machine.init(config)
	s.handshake = newHandshake(pool, s.machine.conn, func() { s.post(s.progress) })
	s.machine.transport.handshake = s.handshake
	s.plain = make([]byte, 0, 2*maxPlaintext)
	pool.begin(s.handshake)
	go s.read()
	go func() {
		for {
			select {
			case task := <-s.posts:
				task()
			case <-s.quit:
				return
			}
		}
	}()
	return s
}

func (s *memoryServer) post(task func()) {
	select {
	case s.posts <- task:
	case <-s.quit:
	}
}

func (s *memoryServer) read() {
	buffer := make([]byte, 32<<10)
	for {
		n, err := s.pipe.Read(buffer)
		for _, piece := range s.chop(bytes.Clone(buffer[:n])) {
			s.post(func() { s.receive(piece) })
		}
		if err != nil {
			s.post(func() { s.finish(err) })
			return
		}
	}
}

func (s *memoryServer) finish(err error) {
	report := func(err error) {
		select {
		case s.done <- err:
		default:
		}
	}
	if s.handshake != nil {
		s.handshake.cancel(errPeerLeft, report)
	} else {
		report(err)
	}
}

func (s *memoryServer) progress() {
	if s.handshake == nil {
		return
	}
	// In this order: what is written before the end is taken after it.
	over, rest, err := s.handshake.outcome()
	s.pipe.Write(s.handshake.takeOutput(nil))
	if !over {
		return
	}
	s.handshake = nil
	if err != nil {
		s.finish(err)
		s.pipe.Close()
		return
	}
	s.echo(s.machine.handshakeDone(rest))
}

func (s *memoryServer) receive(in []byte) {
	if s.handshake != nil {
		s.handshake.feed(in)
		return
	}
	s.echo(in)
}

func (s *memoryServer) echo(in []byte) {
	for {
		rest, plain, _, err := s.machine.open(in, s.plain[:0])
		if err == nil && len(plain) > 0 {
			out, _ := s.machine.seal(nil, plain)
			s.pipe.Write(out)
		}
		if out := s.machine.takeOutput(nil); len(out) > 0 {
			s.pipe.Write(out)
		}
		switch {
		case err != nil:
			s.finish(err)
			s.pipe.Close()
			return
		case s.machine.ended:
			s.pipe.Write(s.machine.appendCloseNotify(nil))
			s.finish(io.EOF)
			return
		case len(rest) == 0:
			return
		}
		in = rest
	}
}

func whole(in []byte) [][]byte { return [][]byte{in} }

func byteByByte(in []byte) (pieces [][]byte) {
	for i := range in {
		pieces = append(pieces, in[i:i+1])
	}
	return pieces
}

func testCertificate(t testing.TB) *tls.Certificate {
	t.Helper()
	c, err := certs.SelfSigned("example.test")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serverConfig(t testing.TB) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{*testCertificate(t)}, NextProtos: []string{"h2", "http/1.1"}}
}

// pipeClient gives a client whose server is a tlsMachine.
func pipeClient(t *testing.T, server, client *tls.Config, chop func([]byte) [][]byte) (*tls.Conn, *memoryServer) {
	t.Helper()
	near, far := net.Pipe()
	pool := newHandshakeSlots().newPool(maxStartedHandshakes)
	s := serveMemory(t, pool, server, far, chop)
	t.Cleanup(func() {
		near.Close()
		far.Close()
		pool.wait(nil)
		close(s.quit)
	})
	return tls.Client(near, client), s
}

func exchange(t *testing.T, c *tls.Conn, sent []byte) {
	t.Helper()
	go c.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal("reading the echo: ", err)
	}
	if !bytes.Equal(got, sent) {
		t.Fatal("what came back differs from what was sent")
	}
}

func TestMachineEchoesHoweverRecordsAreCut(t *testing.T) {
	for name, chop := range map[string]func([]byte) [][]byte{"whole": whole, "byte by byte": byteByByte} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" "+tls.VersionName(version), func(t *testing.T) {
				c, _ := pipeClient(t, serverConfig(t), &tls.Config{InsecureSkipVerify: true, MaxVersion: version}, chop)
				exchange(t, c, []byte("a small record"))
				exchange(t, c, bytes.Repeat([]byte("bulk "), 5_000))
				if got := c.ConnectionState().Version; got != version {
					t.Errorf("spoke %s, want %s", tls.VersionName(got), tls.VersionName(version))
				}
			})
		}
	}
}

// Every place at which two records can be cut in three, across both headers.
func TestMachineRecordsCutAtEveryPlace(t *testing.T) {
	var recorded []byte
	var machine tlsMachine
	client := memoryHandshake(t, &machine, serverConfig(t), &tls.Config{InsecureSkipVerify: true})
	for _, text := range []string{"first", "second"} {
		client.Write([]byte(text))
	}
	recorded = client.NetConn().(*memoryPipe).takeSent()
	plain := make([]byte, 0, 2*maxPlaintext)
	// A machine cannot be rewound, so each place gets records of its own.
	for cut := 1; cut < len(recorded); cut++ {
		got := plain[:0]
		for _, piece := range [][]byte{recorded[:cut], recorded[cut:]} {
			rest, p, _, err := machine.open(bytes.Clone(piece), got)
			if err != nil || len(rest) > 0 {
				t.Fatalf("cut at %d: %d bytes not taken, %v", cut, len(rest), err)
			}
			got = p
		}
		if string(got) != "firstsecond" {
			t.Fatalf("cut at %d: got %q", cut, got)
		}
		client.Write([]byte("first"))
		client.Write([]byte("second"))
		recorded = client.NetConn().(*memoryPipe).takeSent()
	}
}

func TestMachineCloseNotify(t *testing.T) {
	c, s := pipeClient(t, serverConfig(t), &tls.Config{InsecureSkipVerify: true}, whole)
	exchange(t, c, []byte("hello"))
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("client read %v, want the end by close_notify", err)
	}
	if err := <-s.done; err != io.EOF {
		t.Errorf("server ended with %v, want io.EOF", err)
	}
}

func TestMachineIgnoresWhatFollowsCloseNotify(t *testing.T) {
	var machine tlsMachine
	client := memoryHandshake(t, &machine, serverConfig(t), &tls.Config{InsecureSkipVerify: true})
	client.Write([]byte("last"))
	client.CloseWrite()
	in := append(client.NetConn().(*memoryPipe).takeSent(), "garbage"...)
	rest, plain, _, err := machine.open(in, make([]byte, 0, 2*maxPlaintext))
	if len(rest) > 0 || err != nil || string(plain) != "last" || !machine.ended {
		t.Fatalf("got %q, %d left, ended %v, %v", plain, len(rest), machine.ended, err)
	}
}

func TestMachineRefusesAForgedRecord(t *testing.T) {
	var machine tlsMachine
	client := memoryHandshake(t, &machine, serverConfig(t), &tls.Config{InsecureSkipVerify: true})
	client.Write([]byte("pay 1"))
	in := client.NetConn().(*memoryPipe).takeSent()
	in[recordHeader]++
	_, plain, _, err := machine.open(in, make([]byte, 0, 2*maxPlaintext))
	if err == nil || len(plain) > 0 {
		t.Fatalf("a forged record gave %q, %v", plain, err)
	}
	client.NetConn().(*memoryPipe).give(machine.takeOutput(nil))
	if _, err := client.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "bad record MAC") {
		t.Errorf("client read %v, want the alert bad_record_mac", err)
	}
	if _, err := machine.seal(nil, []byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("sealing after a failure: %v", err)
	}
}

func TestMachineNeedsRoomForARecord(t *testing.T) {
	var machine tlsMachine
	client := memoryHandshake(t, &machine, serverConfig(t), &tls.Config{InsecureSkipVerify: true})
	client.Write([]byte("one"))
	client.Write([]byte("two"))
	in := client.NetConn().(*memoryPipe).takeSent()
	room := make([]byte, 0, maxPlaintext+1)
	rest, plain, _, err := machine.open(in, room)
	if string(plain) != "one" || err != nil || len(rest) == 0 {
		t.Fatalf("got %q, %v", plain, err)
	}
	rest, plain, _, err = machine.open(rest, room)
	if string(plain) != "two" || err != nil || len(rest) != 0 {
		t.Fatalf("then %q, %v", plain, err)
	}
}
