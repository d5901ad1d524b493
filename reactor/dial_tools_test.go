//go:build linux

package reactor

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/reactor/certs"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// getter is a session that makes one request over HTTP/1.1, and passes on the first line of each response.
type getter struct {
	conn   *Conn
	asks   bool
	have   []byte
	status chan string
	closed chan error
}

func newGetter() *getter {
	return &getter{asks: true, status: make(chan string, 16), closed: make(chan error, 1)}
}

func (s *getter) Receive(in []byte) int {
	s.have = append(s.have, in...)
	if line, _, ok := bytes.Cut(s.have, []byte("\r\n")); ok && bytes.Contains(s.have, []byte("\r\n\r\n")) {
		s.status <- string(line)
		s.have = nil
	}
	return len(in)
}

func (s *getter) Transmit(dst []byte, _ int) []byte {
	if s.asks {
		s.asks = false
		dst = append(dst, "GET / HTTP/1.1\r\nHost: example.test\r\n\r\n"...)
	}
	return dst
}

func (s *getter) EOF() bool        { return false }
func (s *getter) Timeout()         {}
func (s *getter) Closed(err error) { s.closed <- err }

// get dials, and returns the status line of the answer and the state of the connection.
func get(t *testing.T, l *Loop, address string, config *tls.Config) (status string, state tls.ConnectionState, err error) {
	t.Helper()
	g := newGetter()
	failed := make(chan error, 1)
	l.Dial(t.Context(), DialConfig{Address: address, TLS: config, Timeout: patience,
		Open: func(c *Conn) Session { g.conn = c; state = *c.TLS(); return g },
		Fail: func(err error) { failed <- err },
	})
	select {
	case status = <-g.status:
		on(t, l, g.conn.Close)
		<-g.closed
	case err = <-g.closed:
	case err = <-failed:
	}
	return status, state, err
}

// freePort returns a port that nobody listens at.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// toolFiles writes a server's pair, a client's, and their authority into a directory.
func toolFiles(t *testing.T) (dir string, server, client certs.Pair) {
	t.Helper()
	dir = t.TempDir()
	ca := certstest.NewAuthority(t, "the authority")
	ca.Write(t, filepath.Join(dir, "ca.pem"))
	certificate, key := ca.Issue(t, nil, "example.test")
	server = writePair(t, dir, "server", certificate, key)
	certificate, key = ca.Issue(t, nil, "gateway")
	return dir, server, writePair(t, dir, "client", certificate, key)
}

// openClient opens a store for the length of the test.
func openClient(t *testing.T, options certs.ClientOptions) *certs.ClientStore {
	t.Helper()
	s, err := certs.OpenClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// reachable waits until something listens at address.
func reachable(t *testing.T, address string) {
	t.Helper()
	eventually(t, "the server listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

func TestDialOpenSSL(t *testing.T) {
	dir, server, client := toolFiles(t)
	authority := filepath.Join(dir, "ca.pem")
	s := serve(t, Config{Loops: 2}, nil)
	for name, c := range map[string]struct {
		flags   []string
		options certs.ClientOptions
		version uint16
		want    string // of an error
	}{
		"TLS 1.3":          {[]string{"-tls1_3"}, certs.ClientOptions{}, tls.VersionTLS13, ""},
		"TLS 1.2":          {[]string{"-tls1_2"}, certs.ClientOptions{}, tls.VersionTLS12, ""},
		"certificate":      {[]string{"-Verify", "1", "-CAfile", authority, "-verify_return_error"}, certs.ClientOptions{Certificate: client}, tls.VersionTLS13, ""},
		"no certificate":   {[]string{"-tls1_3", "-Verify", "1", "-CAfile", authority, "-verify_return_error"}, certs.ClientOptions{}, 0, "the peer requires a client certificate"},
		"another name":     {nil, certs.ClientOptions{Name: "third.test"}, 0, "its certificate is for example.test, not for third.test"},
		"TLS 1.2 too old":  {[]string{"-tls1_2"}, certs.ClientOptions{MinVersion: tls.VersionTLS13}, 0, "no TLS version in common"},
		"other authority":  {nil, certs.ClientOptions{Authorities: []string{client.Certificate}}, 0, "signed by an authority that is not trusted: CN=the authority"},
		"nothing verified": {nil, certs.ClientOptions{Insecure: true, Name: "third.test"}, tls.VersionTLS13, ""},
	} {
		t.Run(name, func(t *testing.T) {
			address := "127.0.0.1:" + strconv.Itoa(freePort(t))
			args := append([]string{"s_server", "-accept", address, "-cert", server.Certificate, "-key", server.Key, "-www", "-quiet"}, c.flags...)
			talk(t, exec.Command(toolPath(t, "openssl", "openssl"), args...))
			reachable(t, address)
			if c.options.Authorities == nil && !c.options.Insecure {
				c.options.Authorities = []string{authority}
			}
			config := openClient(t, c.options).Config("example.test")
			for i, l := range s.loops {
				status, state, err := get(t, l, address, config())
				if c.want != "" {
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%q, %v, want %q", status, err, c.want)
					}
					continue
				}
				if err != nil || status != "HTTP/1.0 200 ok" || state.Version != c.version || state.DidResume != (i == 1) {
					t.Errorf("connection %d: %q, %v, %s, resumed %v", i+1, status, err, tls.VersionName(state.Version), state.DidResume)
				}
			}
		})
	}
}

// openssl updates its keys, and has us update ours.
func TestDialOpenSSLKeyUpdate(t *testing.T) {
	_, server, _ := toolFiles(t)
	address := "127.0.0.1:" + strconv.Itoa(freePort(t))
	d := talk(t, exec.Command(toolPath(t, "openssl", "openssl"), "s_server", "-accept", address, "-cert", server.Certificate, "-key", server.Key, "-tls1_3"))
	reachable(t, address)
	s := serve(t, Config{Loops: 1}, nil)
	w := newWaiter()
	w.reach(t, s.loops[0], DialConfig{Address: address, TLS: &tls.Config{InsecureSkipVerify: true}})
	for _, command := range []string{"k\n", "K\n"} {
		before := s.loops[0].Stats().BytesIn
		d.say(command)
		// What is read from its input at once is one command.
		eventually(t, "its KeyUpdate has come", func() bool { return s.loops[0].Stats().BytesIn > before })
		d.say("said after it\n")
		if heard := await(t, w.heard); heard != "said after it\n" {
			t.Errorf("after %q the session hears %q", command, heard)
		}
	}
	// openssl leaves without close_notify.
	d.say("Q\n")
	if heard := await(t, w.heard); heard != "EOF" {
		t.Errorf("heard %q", heard)
	}
	if err := await(t, w.closed); err != ErrTruncated {
		t.Errorf("closed with %v", err)
	}
}

func TestDialNginx(t *testing.T) {
	dir, server, client := toolFiles(t)
	port := freePort(t)
	certstest.WriteFile(t, filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, `
daemon off; master_process off; pid %[1]s/pid; error_log stderr;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server {
		listen 127.0.0.1:%[2]d ssl http2;
		ssl_certificate %[3]s; ssl_certificate_key %[4]s;
		ssl_client_certificate %[1]s/ca.pem; ssl_verify_client on; ssl_protocols TLSv1.2 TLSv1.3;
		keepalive_timeout 1s;
		location / { return 204; }
	}
}
`, dir, port, server.Certificate, server.Key))
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	talk(t, exec.Command(toolPath(t, "nginx", "nginx-light"), "-c", filepath.Join(dir, "nginx.conf"), "-p", dir))
	address := "127.0.0.1:" + strconv.Itoa(port)
	reachable(t, address)
	s := serve(t, Config{Loops: 2}, nil)
	store := openClient(t, certs.ClientOptions{Authorities: []string{filepath.Join(dir, "ca.pem")}, Certificate: client})
	for _, c := range []struct {
		offered []string
		chosen  string
		status  string
	}{
		{[]string{"http/1.1"}, "http/1.1", "HTTP/1.1 204 No Content"},
		{nil, "", "HTTP/1.1 204 No Content"},
	} {
		config := store.Config("example.test", c.offered...)
		for i, l := range s.loops {
			status, state, err := get(t, l, address, config())
			if err != nil || status != c.status || state.NegotiatedProtocol != c.chosen || state.DidResume != (i == 1) {
				t.Errorf("offered %v: %q, %v, ALPN %q, resumed %v", c.offered, status, err, state.NegotiatedProtocol, state.DidResume)
			}
		}
	}
	// It closes idle connections after a second.
	w := newWaiter()
	w.reach(t, s.loops[0], DialConfig{Address: address, TLS: store.Config("example.test", "h2")()})
	on(t, s.loops[0], func() {
		if alpn := w.conn.TLS().NegotiatedProtocol; alpn != "h2" {
			t.Errorf("ALPN selects %q", alpn)
		}
		w.conn.Close()
	})
	idle := newGetter()
	s.loops[0].Dial(t.Context(), DialConfig{Address: address, TLS: store.Config("example.test", "http/1.1")(),
		Open: func(c *Conn) Session { return idle },
		Fail: func(err error) { idle.closed <- err },
	})
	await(t, idle.status)
	if err := await(t, idle.closed); err != io.EOF {
		t.Errorf("an idle connection is closed with %v", err)
	}
}
