//go:build linux

package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCurl sends requests over every kind of socket, with and without TLS, in both protocols.
func TestCurl(t *testing.T) {
	dir := t.TempDir()
	plain, secure := filepath.Join(dir, "plain.sock"), filepath.Join(dir, "secure.sock")
	c := serve(t, "--listen", "127.0.0.1:0", "--listen", "[::1]:0", "--listen", ":0", "--listen", "unix:"+plain, "--listen", "unix:@gatewheel-"+filepath.Base(dir),
		"--listen-tls", "127.0.0.1:0", "--listen-tls", "[::1]:0", "--listen-tls", "unix:"+secure, "--tls-self-signed", "--root", dir)
	if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	upload := filepath.Join(dir, "upload")
	if err := os.WriteFile(upload, bytes.Repeat([]byte("content "), 50_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(c.urls) != 8 {
		t.Fatalf("it listens on %q", c.urls)
	}
	for _, place := range []struct {
		name, url string
		args      []string
		peer      string
	}{
		{"IPv4", c.urls[0], nil, `"peer":"127\.0\.0\.1:\d+","local":"127\.0\.0\.1:\d+"`},
		{"IPv6", c.urls[1], nil, `"peer":"\[::1\]:\d+","local":"\[::1\]:\d+"`},
		{"every address", "http://127.0.0.1:" + port(t, c.urls[2]), nil, `"peer":"127\.0\.0\.1:\d+","local":"127\.0\.0\.1:\d+"`},
		{"unix", "http://localhost", []string{"--unix-socket", plain}, `"peer":"@"`},
		{"abstract", "http://localhost", []string{"--abstract-unix-socket", "gatewheel-" + filepath.Base(dir)}, `"peer":"@"`},
		{"IPv4, TLS", c.urls[5], nil, `"peer":"127\.0\.0\.1:\d+"`},
		{"IPv6, TLS", c.urls[6], nil, `"peer":"\[::1\]:\d+"`},
		{"unix, TLS", "https://localhost", []string{"--unix-socket", secure}, `"peer":"@"`},
	} {
		for _, version := range []string{"1.1", "2"} {
			t.Run(place.name+", HTTP/"+version, func(t *testing.T) {
				t.Parallel()
				seen, scheme := `"tls":null`, "http"
				args := append([]string{"-k"}, place.args...)
				switch {
				case strings.HasPrefix(place.url, "https"):
					scheme = "https"
					args, seen = append(args, "--http"+version), `"alpn":"`+map[string]string{"1.1": `http/1\.1`, "2": "h2"}[version]
				case version == "2":
					args = append(args, "--http2-prior-knowledge")
				default:
					args = append(args, "--http1.1")
				}
				want := func(path, pattern string, more ...string) {
					t.Helper()
					got := curl(t, append(append(args, more...), place.url+path)...)
					content, ok := strings.CutSuffix(got, " "+version+" 200")
					if !ok || !contentIs(content, pattern) {
						t.Errorf("%s: got %.300q, want %s", path, got, pattern)
					}
				}
				want("/", `^Hello, World!`)
				want("/headers", `"scheme":"`+scheme+`".*`+place.peer+`.*`+seen+`.*`)
				want("/bytes/300000", "length 300000")
				want("/stream/300000", "length 300000")
				want("/file/a.txt", `^from a file`)
				want("/echo", "length 400000", "--data-binary", "@"+upload)
				want("/upload", `"bytes":400000,`, "--data-binary", "@"+upload)
			})
		}
	}
}

func port(t *testing.T, url string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestOpenSSL: a TLS connection ends with close_notify, which s_client reports.
func TestOpenSSL(t *testing.T) {
	c := serve(t, "--listen-tls", "127.0.0.1:0", "--tls-self-signed")
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		got := output(t, "GET /headers HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n", toolPath(t, "openssl"),
			"s_client", "-connect", c.address(), "-servername", "a.test", "-alpn", "http/1.1", "-ign_eof", version)
		for _, want := range []string{"HTTP/1.1 200 OK", `"server_name":"a.test"`, `"alpn":"http/1.1"`, "closed"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", version, want, got)
			}
		}
	}
}
