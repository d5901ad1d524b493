//go:build linux

package interop

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// downloadSize is the size of the file that backends serve.
const downloadSize = 8 << 20

// backend is a server by others that serves the files of a folder.
type backend struct {
	name, program string
	schemes       []string
	// args returns the arguments of a server of root on that port. dir is for its configuration.
	args func(t *testing.T, dir, root, port, scheme string) []string
}

var backends = []backend{
	{"nginx", "nginx", []string{"http", "h2c"}, func(t *testing.T, dir, root, port, scheme string) []string {
		http2 := ""
		if scheme == "h2c" {
			http2 = " http2"
		}
		return []string{"-e", "stderr", "-p", dir, "-c", write(t, dir, fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events {}
http {
	access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen 127.0.0.1:%[2]s%[3]s; root %[4]s; keepalive_requests 20; client_max_body_size 1m; }
}`, dir, port, http2, root))}
	}},
	{"nghttpd", "nghttpd", []string{"h2c"}, func(_ *testing.T, _, root, port, _ string) []string {
		return []string{"--address=127.0.0.1", "--no-tls", "--htdocs=" + root, port}
	}},
	{"h2o", "h2o", []string{"http", "h2c"}, func(t *testing.T, dir, root, port, _ string) []string {
		user := ""
		if os.Geteuid() == 0 {
			user = "user: root\n"
		}
		return []string{"-m", "worker", "-c", write(t, dir, fmt.Sprintf(`%snum-threads: 1
listen: {host: 127.0.0.1, port: %s}
hosts: {default: {paths: {"/": {file.dir: %s}}}}
`, user, port, root))}
	}},
	{"Caddy", "caddy", []string{"http", "h2c"}, func(t *testing.T, dir, root, port, _ string) []string {
		return []string{"run", "--adapter", "caddyfile", "--config", write(t, dir, fmt.Sprintf(
			"{\n\tadmin off\n\tservers {\n\t\tprotocols h1 h2c\n\t}\n}\nhttp://127.0.0.1:%s {\n\troot * %s\n\tfile_server\n}\n", port, root))}
	}},
	{"Python", "/usr/bin/python3", []string{"http"}, func(_ *testing.T, _, root, port, _ string) []string {
		return []string{"-m", "http.server", "--bind", "127.0.0.1", "--directory", root, port}
	}},
}

func write(t *testing.T, dir, text string) (file string) {
	t.Helper()
	file = filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// start runs the server and returns its address.
func (b *backend) start(t *testing.T, root, scheme string) (address string) {
	t.Helper()
	address = testport.Address(t)
	program := b.program
	if !filepath.IsAbs(program) {
		program = need(t, program)
	}
	dir := t.TempDir()
	c := exec.Command(program, b.args(t, dir, root, address[len("127.0.0.1:"):], scheme)...)
	var log bytes.Buffer
	c.Stdout, c.Stderr = &log, &log
	c.Env = append(os.Environ(), "HOME="+dir)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("the log of %s:\n%s", b.name, log.Bytes())
		}
	})
	return address
}

// TestBackends: files of servers by others come whole, in part, as a head alone, and not at all if they have not changed, over
// connections that the servers close now and then.
func TestBackends(t *testing.T) {
	root := t.TempDir()
	content := make([]byte, downloadSize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content)
	if err := os.WriteFile(filepath.Join(root, "large.txt"), content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range backends {
		b := &backends[i]
		for _, scheme := range b.schemes {
			t.Run(b.name+" "+scheme, func(t *testing.T) {
				s := forward(t, scheme+"://"+b.start(t, root, scheme))
				for _, http2 := range []bool{false, true} {
					c := httpClient(t, http2)
					url := "http://" + s.plain + "/large.txt"
					started(t, c, url)
					serves(t, c, url, content, b.name != "Python" && b.name != "nghttpd")
				}
			})
		}
	}
}

// started waits until the backend answers.
func started(t *testing.T, c *http.Client, url string) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		if response, err := c.Head(url); err == nil {
			response.Body.Close()
			if response.StatusCode == 200 {
				return
			}
		}
		if time.Now().After(end) {
			t.Fatal("the server does not start")
		}
	}
}

// serves asks for the content in all ways. ranges reports that the server knows Range.
func serves(t *testing.T, c *http.Client, url string, content []byte, ranges bool) {
	t.Helper()
	ask := func(method string, fields ...string) (*http.Response, []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		response, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		got, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%s: %d bytes, %v", method, len(got), err)
		}
		return response, got
	}
	response, got := ask("GET")
	if response.StatusCode != 200 || sha256.Sum256(got) != sha256.Sum256(content) || response.Header.Get("Via") == "" {
		t.Errorf("GET: %s, %d bytes", response.Status, len(got))
	}
	changed := response.Header.Get("Last-Modified")
	for range 50 {
		if response, got = ask("HEAD"); response.StatusCode != 200 || len(got) > 0 || response.ContentLength != downloadSize {
			t.Fatalf("HEAD: %s, length %d", response.Status, response.ContentLength)
		}
	}
	if response, got = ask("GET", "If-Modified-Since", changed); response.StatusCode != 304 || len(got) > 0 {
		t.Errorf("unchanged: %s, %d bytes", response.Status, len(got))
	}
	if !ranges {
		return
	}
	if response, got = ask("GET", "Range", "bytes=1000-5999"); response.StatusCode != 206 || !slices.Equal(got, content[1000:6000]) {
		t.Errorf("range: %s, %d bytes", response.Status, len(got))
	}
}
