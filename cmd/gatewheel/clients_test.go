//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// clientSite is a server for clients: in cleartext, over TLS, with a file to download and a limit of 4 MiB for content.
type clientSite struct {
	*child
	plain, secure, certificate, key string
	// upload is a file of 3 MiB, tooLarge one of 6 MiB, and download one of 10 MiB: the server's /file/large.
	upload, tooLarge, download string
}

// outcomes has what a client's acts led to: status and content, see outcome.
type outcomes map[string]string

// client is a program or library that makes requests.
type client struct {
	name string
	// secure reports that it speaks to the TLS address, too.
	secure bool
	// run does all acts against a URL of the server.
	run func(t *testing.T, s *clientSite, url string) outcomes
	// does lists the acts of which run has to report.
	does []string
}

// script lists the acts of clients that are libraries.
var script = []string{"get", "upload", "upload without length", "download", "download without length", "range", "suffix range",
	"range beyond the end", "unchanged", "too large"}

var clients = []client{
	{"curl, HTTP/1.1", true, curlActs("--http1.1"), append([]string{"too large, with Expect", "continued"}, script...)},
	{"curl, HTTP/2", true, curlActs("--http2-prior-knowledge"), append([]string{"too large, with Expect", "continued"}, script...)},
	{"wget", true, wgetActs, []string{"get", "upload", "download", "download without length", "continued", "unchanged", "too large"}},
	{"Python's http.client", true, pythonActs("http.client"), script},
	{"Python's urllib", true, pythonActs("urllib"), script},
	{"Node", true, nodeActs, append([]string{"WebSocket"}, script...)},
	{"Java's HttpClient", true, javaActs, append([]string{"WebSocket"}, script...)},
	{"nghttp", true, nghttpActs, []string{"get", "upload", "download", "download without length", "range", "too large, once"}},
	{"nghttp with windows of 1 byte", true, nghttpTinyActs, []string{"get", "range"}},
	{"h2load", true, h2loadActs(), []string{"many", "many uploads", "many downloads", "many too large"}},
	{"h2load with windows of 255 bytes", true, h2loadActs("-w", "8"), []string{"many", "many uploads", "many downloads", "many too large"}},
	{"h2load, HTTP/1.1", true, h2loadActs("--h1"), []string{"many", "many uploads", "many downloads"}},
	{"ab, HTTP/1.0", true, abActs(), []string{"many", "many uploads", "many downloads", "many too large"}},
	{"ab, HTTP/1.0 with keep-alive", true, abActs("-k"), []string{"many", "many uploads", "many downloads", "many too large", "kept alive"}},
}

// TestClients has clients of all kinds download, upload, resume and revalidate, and read the refusal of content while they
// still send it.
func TestClients(t *testing.T) {
	serveClients(t).serves(t, clients)
}

// TestClientsOfAGateway: the same, with a gateway between them and the server, which sends the refusals.
func TestClientsOfAGateway(t *testing.T) {
	behind := serveClients(t)
	for to, names := range map[string]*regexp.Regexp{
		"http": regexp.MustCompile("^(curl|wget|Node|nghttp|h2load|ab, HTTP/1.0)"),
		"h2c":  regexp.MustCompile("^(curl|Node|nghttp|h2load|ab, HTTP/1.0|Python's http.client)"),
		"h2":   regexp.MustCompile("^(curl, HTTP/1.1|nghttp|h2load$)"),
	} {
		t.Run(to, func(t *testing.T) {
			t.Parallel()
			s := *behind
			args := []string{"--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-cert", s.certificate, "--tls-key", s.key, "--max-body", "1GiB"}
			if to == "h2" {
				args = append(args, "--to", strings.Replace(s.secure, "https", to, 1), "--to-ca", s.certificate)
			} else {
				args = append(args, "--to", strings.Replace(s.plain, "http", to, 1))
			}
			s.child = gate(t, args...)
			s.plain, s.secure = s.local()
			s.serves(t, slices.DeleteFunc(slices.Clone(clients), func(c client) bool { return !names.MatchString(c.name) }))
		})
	}
}

// serves has each client do its acts.
func (s *clientSite) serves(t *testing.T, clients []client) {
	want := s.wanted(t)
	t.Run("all", func(t *testing.T) {
		for _, c := range clients {
			urls := map[string]string{c.name: s.plain}
			if c.secure {
				urls[c.name+" over TLS"] = s.secure
			}
			for name, url := range urls {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					got := c.run(t, s, url)
					for _, act := range c.does {
						if got[act] != want[act] {
							t.Errorf("%s: %q, want %q", act, got[act], want[act])
						}
					}
					if len(got) > len(c.does) {
						t.Errorf("reports %v", slices.Sorted(maps.Keys(got)))
					}
				})
			}
		}
	})
	// No client was taken for an attacker.
	_, count := s.get("/count")
	if bad := regexp.MustCompile(`"(h2-flood|h2-too-large|h2-stream-limit|h2-connection-error)[^,}]*`).FindAllString(count, -1); bad != nil {
		t.Errorf("the server counts %q", bad)
	}
}

func serveClients(t *testing.T) *clientSite {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	p := makePair(t, dir, "localhost", nil)
	s := &clientSite{
		certificate: p.certFile,
		key:         p.keyFile,
		upload:      filepath.Join(dir, "upload"),
		tooLarge:    filepath.Join(dir, "too-large"),
		download:    filepath.Join(root, "large"),
	}
	random := rand.NewChaCha8([32]byte{1})
	for file, size := range map[string]int{s.upload: 3 << 20, s.tooLarge: 6 << 20, s.download: 10 << 20} {
		content := make([]byte, size)
		_, _ = random.Read(content)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hourAgo := time.Now().Add(-time.Hour)
	if err := os.Chtimes(s.download, hourAgo, hourAgo); err != nil {
		t.Fatal(err)
	}
	s.child = serve(t, "--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-cert", p.certFile, "--tls-key", p.keyFile,
		"--root", root, "--max-body", "4MiB")
	s.plain, s.secure = s.local()
	return s
}

// local returns the URLs of a server, by the name in its certificate.
func (c *child) local() (plain, secure string) {
	return strings.Replace(c.urls[0], "127.0.0.1", "localhost", 1), strings.Replace(c.urls[1], "127.0.0.1", "localhost", 1)
}

// wanted returns what each act has to lead to.
func (s *clientSite) wanted(t *testing.T) outcomes {
	t.Helper()
	upload, download := contentOf(t, s.upload), contentOf(t, s.download)
	_, stream := s.get("/stream/10MiB")
	uploaded := fmt.Sprintf(`200 {"bytes":%d,"sha256":"%x"}`, len(upload), sha256.Sum256(upload))
	return outcomes{
		"get":                     "200 Hello, World!",
		"upload":                  uploaded,
		"upload without length":   uploaded,
		"download":                outcome("200", download),
		"download without length": outcome("200", []byte(stream)),
		"range":                   outcome("206", download[1000:6000]),
		"suffix range":            outcome("206", download[len(download)-5000:]),
		"range beyond the end":    "416",
		"continued":               outcome("206", download),
		"unchanged":               "304",
		"too large":               "413 413 413 413 413 413 413 413",
		"too large, with Expect":  "413",
		"too large, once":         "413",
		"WebSocket":               "the same, closed with 1000",
		"many":                    fmt.Sprintf("100 done, all with 2xx, %d bytes", 100*len("Hello, World!")),
		"many uploads":            fmt.Sprintf("4 done, all with 2xx, %d bytes", 4*(len(uploaded)-len("200 ")+len("\n"))),
		"many downloads":          fmt.Sprintf("2 done, all with 2xx, %d bytes", 2*len(download)),
		"many too large":          "all with 4xx",
		"kept alive":              "100",
	}
}

// outcome describes a response: its status, and its content or its length and digest.
func outcome(status string, content []byte) string {
	if len(content) < 200 {
		return strings.TrimSpace(status + " " + string(bytes.TrimSpace(content)))
	}
	return fmt.Sprintf("%s %d bytes %x", status, len(content), sha256.Sum256(content))
}

func contentOf(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// ends runs a program to its end, whatever its exit code, and returns what it prints on each output.
func ends(t *testing.T, cmd *exec.Cmd) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	e := cmd.Run()
	if exit := (*exec.ExitError)(nil); e != nil && (!errors.As(e, &exit) || exit.ExitCode() < 0) {
		t.Fatalf("%v: %v\n%s", cmd.Args, e, err.String())
	}
	return out.String(), err.String()
}

// reported runs a program that prints its outcomes as JSON.
func reported(t *testing.T, cmd *exec.Cmd) outcomes {
	t.Helper()
	stdout, stderr := ends(t, cmd)
	var got outcomes
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, stdout, stderr)
	}
	return got
}
