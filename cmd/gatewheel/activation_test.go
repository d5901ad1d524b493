//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inherited opens listening sockets as systemd does and returns their files, in order.
func inherited(t *testing.T, listeners ...net.Listener) (files []*os.File) {
	t.Helper()
	for _, l := range listeners {
		file, err := l.(interface{ File() (*os.File, error) }).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		files = append(files, file)
	}
	return files
}

func listenOn(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestActivation passes sockets as systemd does: by descriptor number, with names, and with the process ID, which a
// shell sets before it becomes the program.
func TestActivation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	web, also, secure, local := listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "tcp", "[::1]:0"), listenOn(t, "tcp", "127.0.0.1:0"), listenOn(t, "unix", path)
	local.(*net.UnixListener).SetUnlinkOnClose(false)
	files := inherited(t, web, also, secure, local)
	start := func(names string, args ...string) *child {
		t.Helper()
		cmd := program([]string{"LISTEN_FDS=4", "LISTEN_FDNAMES=" + names}, append([]string{"serve"}, args...)...)
		cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
		cmd.Path = toolPath(t, "sh")
		cmd.ExtraFiles = files
		return begin(t, cmd)
	}

	c := start("web:web:secure:local", "--listen", "systemd:web", "--listen-tls", "systemd:secure", "--tls-self-signed", "--listen", "systemd:local")
	want := []string{"http://" + web.Addr().String(), "http://" + also.Addr().String(), "http+unix:" + path, "https://" + secure.Addr().String()}
	if strings.Join(c.urls, " ") != strings.Join(want, " ") {
		t.Errorf("it listens on %q, want %q", c.urls, want)
	}
	for _, args := range [][]string{{c.urls[0]}, {"-k", c.urls[3]}, {"-k", "--http1.1", c.urls[3]}, {c.urls[1], "--http2-prior-knowledge"}, {"--unix-socket", path, "http://localhost/"}} {
		if got := curl(t, args...); !strings.HasPrefix(got, "Hello, World!") {
			t.Errorf("%q: %s", args, got)
		}
	}
	c.signal(syscall.SIGTERM)
	if code := c.exit(); code != exitClean {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the socket's file, which is systemd's, is gone: %v", err)
	}

	// The next process gets the same sockets; a connection made in between waits in them.
	waiting, err := net.Dial("tcp", web.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = waiting.Close() }()
	send(t, waiting, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c = start("a:b:c:d", "--listen", "systemd")
	if len(c.urls) != 4 {
		t.Errorf("it listens on %q, want all", c.urls)
	}
	if got := rest(t, waiting); !strings.HasSuffix(got, "Hello, World!") {
		t.Errorf("who waited was answered %q", got)
	}
	c.signal(syscall.SIGTERM)
	c.exit()

	for _, wrong := range [][]string{{"--listen", "systemd:web"}, {"--listen", "fd:9"}, {"--listen", "fd:1"}} {
		code, _, stderr := toEnd(t, nil, append([]string{"serve"}, wrong...)...)
		if code != exitUsage {
			t.Errorf("%q: exit %d", wrong, code)
		}
		oneSentence(t, stderr, "")
	}
}

// TestStaleSocketFile: the socket file of a dead server is replaced; that of a running server is an error.
func TestStaleSocketFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	dead := serve(t, "--listen", "unix:"+path)
	code, _, stderr := toEnd(t, nil, "serve", "--log-level", "error", "--listen", "unix:"+path)
	if code != exitFailure {
		t.Errorf("exit %d", code)
	}
	oneSentence(t, stderr, path+" is in use")
	dead.signal(syscall.SIGKILL)
	dead.exit()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("there is no stale file: %v", err)
	}
	serve(t, "--listen", "unix:"+path)
	status, text := overUnix(t, path, "/")
	wantHello(t, status, text)
}
