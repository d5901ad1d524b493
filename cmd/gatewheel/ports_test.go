//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fewPorts is a network namespace in which connections have sixteen ports to begin at.
type fewPorts struct {
	t    *testing.T
	name string
}

func newFewPorts(t *testing.T) *fewPorts {
	t.Helper()
	n := &fewPorts{t, fmt.Sprint("gatewheel-ports-", os.Getpid())}
	n.run("netns", "add", n.name)
	t.Cleanup(func() { n.run("netns", "del", n.name) })
	n.run("-n", n.name, "link", "set", "lo", "up")
	n.run("netns", "exec", n.name, "sh", "-c", "echo 50000 50015 >/proc/sys/net/ipv4/ip_local_port_range")
	return n
}

// run calls ip(8).
func (n *fewPorts) run(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v %s: this test makes a network namespace, which needs root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and iproute2", strings.Join(args, " "), err, out)
	}
}

// begin starts the program in the namespace.
func (n *fewPorts) begin(args ...string) *child {
	n.t.Helper()
	cmd := program(nil)
	cmd.Args = append([]string{"ip", "netns", "exec", n.name, cmd.Path}, args...)
	ip, err := exec.LookPath("ip")
	if err != nil {
		n.t.Fatal(err)
	}
	cmd.Path = ip
	return begin(n.t, cmd)
}

// dial connects within the namespace, in which a socket stays.
func (n *fewPorts) dial(address string) net.Conn {
	n.t.Helper()
	c, err := n.tryDial(address)
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// fill takes all ports for connections to address.
func (n *fewPorts) fill(address string) {
	n.t.Helper()
	for {
		switch _, err := n.tryDial(address); {
		case errors.Is(err, unix.EADDRNOTAVAIL):
			return
		case err != nil:
			n.t.Fatal(err)
		}
	}
}

func (n *fewPorts) tryDial(address string) (net.Conn, error) {
	var c net.Conn
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine, since it is not unlocked
		ns, err := unix.Open("/var/run/netns/"+n.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			defer unix.Close(ns)
			if err = unix.Setns(ns, unix.CLONE_NEWNET); err == nil {
				c, err = net.Dial("tcp", address)
			}
		}
		done <- err
	}()
	if err := <-done; err != nil {
		return nil, err
	}
	n.t.Cleanup(func() { _ = c.Close() })
	return c, nil
}

// get sends a request on a new connection, and returns its answer.
func (n *fewPorts) get(address, path string) (status int, text string) {
	n.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		Dial:              func(_, address string) (net.Conn, error) { return n.dial(address), nil },
	}}
	resp, err := client.Get("http://" + address + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}

// Without a free port for connections to a server, its requests go to another one. They are counted, and the server is
// not blamed.
func TestNoPortForAServer(t *testing.T) {
	n := newFewPorts(t)
	// Nobody else has ports in this namespace.
	const full, free, admin = "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"
	n.begin("serve", "--listen", full)
	n.begin("serve", "--listen", free)
	g := n.begin("gateway", "--listen", "127.0.0.1:8080", "--admin", admin, "--loops", "1", "--to", "http://"+full, "--to", "http://"+free)
	n.fill(full)
	line := n.dial(g.address())
	in := bufio.NewReader(line)
	for range 10 {
		send(t, line, "GET /delay/0s HTTP/1.1\r\nHost: a\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("the answer is %d %s, %v", resp.StatusCode, text, err)
		}
	}
	_, counts := n.get(admin, "/count")
	if !strings.Contains(counts, `"no-socket"`) || strings.Contains(counts, `"connect-fail"`) {
		t.Errorf("the counts are %s", counts)
	}
	_, metrics := n.get(admin, "/metrics")
	for _, line := range strings.Split(metrics, "\n") {
		if strings.HasPrefix(line, "gatewheel_peer_usable{") && !strings.HasSuffix(line, " 1") {
			t.Errorf("a server is blamed: %s", line)
		}
	}
	if !strings.Contains(metrics, `reason="no-socket"`) {
		t.Error("the metrics do not have the reason")
	}
}
