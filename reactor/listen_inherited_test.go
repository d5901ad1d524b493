//go:build linux

package reactor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inheritorAddress tells this test binary, started by itself, what to listen on.
const inheritorAddress = "GATEWHEEL_TEST_INHERITOR"

// TestInheritor is the child's side of the tests below: it listens, says so, and serves until its
// standard input ends.
func TestInheritor(t *testing.T) {
	address, ok := os.LookupEnv(inheritorAddress)
	if !ok {
		return
	}
	configs, err := ParseListenAddress(address)
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	r, err := New(Config{Loops: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range configs {
		config.Open = openTeller
		addr, err := r.Listen(config)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("listens on", addr)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("environment:", os.Getenv("LISTEN_FDS"), "ready")
	io.Copy(io.Discard, os.Stdin)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	r.Stop(over)
}

// inherit starts a child that has files as its descriptors from 3 on, as systemd would start it.
func inherit(t *testing.T, address, names string, files ...*os.File) *dialogue {
	t.Helper()
	// systemd sets LISTEN_PID between fork and exec; a shell that becomes the child can do the same.
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" -test.run='^TestInheritor$'`, os.Args[0])
	cmd.Env = append(os.Environ(), inheritorAddress+"="+address, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names,
		"GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = files
	return talk(t, cmd)
}

func inheritable(t *testing.T, network, address string) (*os.File, net.Addr) {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ln.Close()
		file.Close()
	})
	return file, ln.Addr()
}

func askAt(t *testing.T, addr net.Addr) string {
	t.Helper()
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := readAnswer(bufio.NewReader(c))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestInheritedFromSystemd(t *testing.T) {
	web, webAddr := inheritable(t, "tcp", "127.0.0.1:0")
	local, localAddr := inheritable(t, "unix", filepath.Join(t.TempDir(), "local.sock"))
	for _, address := range []string{"systemd", "systemd:web", "systemd:local", "fd:3"} {
		t.Run(address, func(t *testing.T) {
			d := inherit(t, address, "web:local", web, local)
			wanted := []net.Addr{webAddr, localAddr}
			switch address {
			case "systemd:web", "fd:3":
				wanted = wanted[:1]
			case "systemd:local":
				wanted = wanted[1:]
			}
			for _, addr := range wanted {
				d.want("listens on " + addr.String())
			}
			d.want("ready")
			if address != "fd:3" && !strings.Contains(d.text(), "environment:  ready") {
				t.Error("programs that the child starts would take its sockets for theirs")
			}
			for _, addr := range wanted {
				if got := askAt(t, addr); !strings.Contains(got, "local="+addr.String()) {
					t.Errorf("at %v the child says %q", addr, got)
				}
			}
			d.stdin.Close()
			d.wantEnd()
		})
	}
	// The child has gone and the socket has not: somebody else may take it over.
	inherit(t, "fd:3", "", web).want("ready")
	askAt(t, webAddr)
}

func TestInheritedRefused(t *testing.T) {
	web, _ := inheritable(t, "tcp", "127.0.0.1:0")
	ordinary, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer ordinary.Close()
	for _, c := range []struct{ address, want string }{
		{"systemd:api", `systemd has passed no socket named "api", but web, file`},
		{"systemd:file", `socket "file" from systemd is not a socket`},
		{"fd:4", "descriptor 4 is not a socket"},
		{"fd:1000", "descriptor 1000 is not open"},
	} {
		d := inherit(t, c.address, "web:file", web, ordinary)
		d.want("refused: ")
		d.want(c.want)
		d.wantEnd()
	}
}

func TestUnixSocketServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	_, addr := served(t, Config{Loops: 2}, ListenerConfig{Network: "unix", Address: path, Open: openTeller})
	askAt(t, addr)
	out, err := exec.Command(toolPath(t, "curl", "curl"), "--silent", "--show-error", "--unix-socket", path, "http://x/").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "local="+path) {
		t.Errorf("curl over a unix socket: %v: %s", err, out)
	}
}
