//go:build linux

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// httpbinModule is the module whose own tests run against a server of ours.
const httpbinModule = "github.com/mccutchen/go-httpbin/v2"

// httpbinExclusions are tests that ask for a 100 (Continue) in response to a request that does not expect it: over HTTP/1.1
// none is sent.
const httpbinExclusions = "^(TestStatus|TestDrip)$/^HTTP_100_Continue_status_code_supported$"

// httpbinServer is added to go-httpbin's tests.
const httpbinServer = `package httpbin

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

func startServer(t *testing.T, h http.Handler) (*httptest.Server, *http.Client) {
	s := httptest.NewUnstartedServer(h)
	s.Listener.Close()
	site := nethttptest.Start(t, nethttptest.H1, s.Config)
	s.URL = site.URL
	s.Listener = address{s.Listener, site.Addr}
	return s, site.Client()
}

// address is a listener's address, which some tests dial.
type address struct {
	net.Listener
	text string
}

func (a address) Addr() net.Addr  { return a }
func (a address) Network() string { return "tcp" }
func (a address) String() string  { return a.text }
`

// TestGoHTTPBin runs the tests of go-httpbin in a copy of its module, in which our server replaces that of package
// httptest.
func TestGoHTTPBin(t *testing.T) {
	list, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", httpbinModule).Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "httpbin")
	if err := os.CopyFS(dir, os.DirFS(strings.TrimSpace(string(list)))); err != nil {
		t.Fatal(err)
	}
	useOurServer(t, filepath.Join(dir, "httpbin"))

	// The copy takes the place of the module in a module file of its own.
	modules := filepath.Join(dir, "copied")
	for _, name := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "go.mod" {
			text = fmt.Appendf(text, "\nreplace %s => %s\n", httpbinModule, dir)
		}
		write(t, modules+filepath.Ext(name), string(text))
	}
	out, err := exec.CommandContext(t.Context(), "go", "test", "-count", "1", "-v", "-vet=off", "-timeout", "5m",
		"-modfile", modules+".mod", "-skip", httpbinExclusions, httpbinModule+"/httpbin").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, failures(string(out)))
	}
	const least = 60 // top-level tests, of about 70
	if n := strings.Count(string(out), "\n--- PASS: "); n < least {
		t.Errorf("only %d tests of go-httpbin ran", n)
	}
}

// failures returns the lines of go test's output without those of tests that pass.
func failures(out string) string {
	var b strings.Builder
	for line := range strings.Lines(out) {
		mark, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if mark != "===" && !strings.Contains(line, "--- PASS: ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// useOurServer changes the only place in which the tests of go-httpbin make a server.
func useOurServer(t *testing.T, dir string) {
	t.Helper()
	path := filepath.Join(dir, "handlers_test.go")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const constructor = "srv := httptest.NewServer(app)\n\tt.Cleanup(srv.Close)\n\n\tclient := srv.Client()\n"
	if n := strings.Count(string(text), constructor); n != 1 {
		t.Fatalf("the tests of go-httpbin make their server in %d places", n)
	}
	write(t, path, strings.Replace(string(text), constructor, "srv, client := startServer(t, app)\n", 1))
	write(t, filepath.Join(dir, "start_server_test.go"), httpbinServer)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
