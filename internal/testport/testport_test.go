//go:build linux

package testport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// reserved is how many ports are held while the kernel chooses others. There are 28,232 to choose from by default, so
// that each loop below would come upon dozens of them if they were free.
const reserved = 200

// reserve returns the numbers of so many reserved ports.
func reserve(t *testing.T) map[int]bool {
	t.Helper()
	ports := map[int]bool{}
	for range reserved {
		r, err := testport.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Release() })
		if ports[r.Port()] {
			t.Fatalf("port %d is reserved twice", r.Port())
		}
		ports[r.Port()] = true
	}
	return ports
}

func port(a net.Addr) int { return a.(*net.TCPAddr).Port }

func TestAReservedPortIsNotChosenForABindToPort0(t *testing.T) {
	ports := reserve(t)
	for _, address := range []string{"127.0.0.1:0", ":0"} {
		for _, options := range optionSets {
			for range 3000 {
				l, err := options.listen(address)
				if err != nil {
					t.Fatal(err)
				}
				if ports[port(l.Addr())] {
					t.Errorf("%s with %s was given the reserved port %d", address, options.name, port(l.Addr()))
				}
				_ = l.Close()
			}
		}
	}
}

func TestAReservedPortIsNotTheSourceOfAConnection(t *testing.T) {
	ports := reserve(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for range 5000 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if ports[port(c.LocalAddr())] {
			t.Errorf("a connection comes from the reserved port %d", port(c.LocalAddr()))
		}
		// A reset leaves nothing in TIME_WAIT.
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = accepted.Close()
	}
}

// optionSet is what a server may set before it binds.
type optionSet struct {
	name    string
	options map[int]int
}

// Package net sets SO_REUSEADDR by itself.
var optionSets = []optionSet{
	{"SO_REUSEADDR", map[int]int{}},
	{"SO_REUSEPORT", map[int]int{unix.SO_REUSEADDR: 0, unix.SO_REUSEPORT: 1}},
	{"both", map[int]int{unix.SO_REUSEPORT: 1}},
	{"neither", map[int]int{unix.SO_REUSEADDR: 0}},
}

func (o optionSet) listen(address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failure error
		err := raw.Control(func(fd uintptr) {
			for option, value := range o.options {
				failure = errors.Join(failure, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, value))
			}
		})
		return errors.Join(failure, err)
	}}
	return config.Listen(context.Background(), "tcp", address)
}

func TestAServerListensOnAReservedPort(t *testing.T) {
	address := testport.Address(t)
	_, number, _ := net.SplitHostPort(address)
	for _, options := range optionSets {
		for _, place := range []string{address, ":" + number} {
			// A server that ends and starts again finds the port as it was.
			for range 2 {
				if c, err := net.Dial("tcp", address); !errors.Is(err, unix.ECONNREFUSED) {
					t.Fatalf("before a server listens: %v, %v", c, err)
				}
				l, err := options.listen(place)
				if options.name == "neither" {
					if !errors.Is(err, unix.EADDRINUSE) {
						t.Errorf("%s without options: %v, want %v", place, err, unix.EADDRINUSE)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s with %s: %v", place, options.name, err)
				}
				meet(t, l, address)
				if second, err := optionSets[0].listen(address); err == nil {
					t.Errorf("two servers listen on %s", place)
					_ = second.Close()
				}
				_ = l.Close()
			}
		}
	}
}

// meet sends a byte over a connection.
func meet(t *testing.T, l net.Listener, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte("x"))
	_ = c.Close()
	if got, err := io.ReadAll(accepted); string(got) != "x" || err != nil {
		t.Errorf("received %q, %v", got, err)
	}
	_ = accepted.Close()
}

// Programs of other languages set SO_REUSEADDR on their own account.
func TestAPythonServerListensOnAReservedPort(t *testing.T) {
	_, number, _ := net.SplitHostPort(testport.Address(t))
	listens(t, "python3", "-c", fmt.Sprintf("import socketserver, http.server\n"+
		"http.server.HTTPServer(('127.0.0.1', %s), http.server.SimpleHTTPRequestHandler)\nprint('listens')", number))
}

func TestANodeServerListensOnAReservedPort(t *testing.T) {
	_, number, _ := net.SplitHostPort(testport.Address(t))
	listens(t, "node", "-e", fmt.Sprintf(
		"require('net').createServer().listen(%s, '127.0.0.1', () => { console.log('listens'); process.exit() })", number))
}

func listens(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "listens" {
		t.Errorf("%s: %v: %s", program, err, out)
	}
}
