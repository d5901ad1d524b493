//go:build linux

package soak

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// An environment is what operations run in: the programs, the files, the clients that are kept.
type environment struct {
	config      Config
	authority   *authority
	gateway     *program
	serve       *program
	gatewayYAML string
	generation  int
	grpcAddress string
	files       map[string][]byte
	ledger      *ledger
	grpc        *grpcPeer
	mu          sync.Mutex
	kept        map[clientKey]*http.Client
}

// open writes the files and starts the programs.
func open(ctx context.Context, c Config) (e *environment, err error) {
	e = &environment{config: c, ledger: newLedger(), kept: map[clientKey]*http.Client{}, gatewayYAML: filepath.Join(c.Dir, "gateway.yaml")}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	if e.authority, err = newAuthority(c.Dir); err != nil {
		return e, err
	}
	if e.gateway, err = newProgram("gateway", c.Dir); err != nil {
		return e, err
	}
	if e.serve, err = newProgram("serve", c.Dir); err != nil {
		return e, err
	}
	e.serve.parent = c.Restarts
	if e.grpc, err = serveGRPC(e); err != nil {
		return e, err
	}
	root := filepath.Join(c.Dir, "root")
	if err = e.writeFiles(root); err != nil {
		return e, err
	}
	for _, name := range []string{"gateway", "serve"} {
		if _, err = e.authority.issue(name); err != nil {
			return e, err
		}
	}
	if err = replace(e.gatewayYAML, []byte(gatewayFile(e, 0, rand.New(rand.NewPCG(c.Seed, 0))))); err != nil {
		return e, err
	}
	err = e.serve.start(ctx, c.Program, "serve", "--allow-stall", "--root", root,
		"--tls-cert", e.authority.path("serve.pem"), "--tls-key", e.authority.path("serve.key"))
	if err != nil {
		return e, err
	}
	return e, e.gateway.start(ctx, c.Program, "gateway", "--config", e.gatewayYAML, "--via-name", "soak",
		"--tls-cert", e.authority.path("gateway.pem"), "--tls-key", e.authority.path("gateway.key"))
}

// writeFiles fills the directory of /file/.
func (e *environment) writeFiles(root string) error {
	e.files = map[string][]byte{}
	if err := os.Mkdir(root, 0o700); err != nil {
		return err
	}
	random := rand.NewChaCha8(sha256.Sum256([]byte("files")))
	for i, size := range []int{0, 1, 4 << 10, 64<<10 + 1, 1 << 20} {
		content := make([]byte, size)
		_, _ = random.Read(content)
		name := fmt.Sprintf("file%d.bin", i)
		e.files[name] = content
		if err := os.WriteFile(filepath.Join(root, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// close ends what is left of the programs and clients.
func (e *environment) close() {
	for _, p := range []*program{e.gateway, e.serve} {
		if p != nil {
			p.kill()
		}
	}
	e.closeIdle()
	if e.grpc != nil {
		e.grpc.close()
	}
}

// closeIdle closes connections of the clients that are kept.
func (e *environment) closeIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.kept {
		c.CloseIdleConnections()
	}
}

// A protocol is HTTP/1.1 or HTTP/2, without TLS or with it.
type protocol int

const (
	http1 protocol = iota
	http1TLS
	http2Plain
	http2TLS
	protocols
)

func (p protocol) String() string {
	return [...]string{"HTTP/1.1", "HTTP/1.1 over TLS", "h2c", "HTTP/2 over TLS"}[p]
}

func (p protocol) secure() bool { return p == http1TLS || p == http2TLS }

func (p protocol) version() int {
	if p < http2Plain {
		return 1
	}
	return 2
}

// clientKey is what a kept client is for.
type clientKey struct {
	program  *program
	protocol protocol
}

// clientIdle is the time after which kept clients close an unused connection. The server's is longer.
const clientIdle = 10 * time.Second

// newClient returns a client of one protocol with connections of its own.
func (e *environment) newClient(p protocol) *http.Client {
	speaks := &http.Protocols{}
	switch p {
	case http1, http1TLS:
		speaks.SetHTTP1(true)
	case http2Plain:
		speaks.SetUnencryptedHTTP2(true)
	case http2TLS:
		speaks.SetHTTP2(true)
	}
	config := e.authority.config()
	config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	return &http.Client{
		Transport: &http.Transport{
			Protocols: speaks, TLSClientConfig: config, IdleConnTimeout: clientIdle, DisableCompression: true,
			DialContext: (&net.Dialer{Timeout: patience}).DialContext, TLSHandshakeTimeout: patience,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// keptClient returns the client of all operations of a program and protocol.
func (e *environment) keptClient(to *program, p protocol) *http.Client {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := clientKey{to, p}
	if e.kept[key] == nil {
		e.kept[key] = e.newClient(p)
	}
	return e.kept[key]
}

// url returns the address of a path.
func (t *program) url(p protocol, path string) string {
	if p.secure() {
		return "https://" + t.secure + path
	}
	return "http://" + t.plain + path
}

// pattern is the content of /bytes, /stream and /drip: numbered lines of 64 characters, which repeat after 64 KiB.
var pattern = sync.OnceValue(func() []byte {
	const block = 64 << 10
	var b bytes.Buffer
	for line := 0; b.Len() < block; line++ {
		fmt.Fprintf(&b, "%s\n", pad(line))
	}
	return b.Bytes()
})

func pad(line int) string {
	number := fmt.Sprint(line)
	return string(bytes.Repeat([]byte{'.'}, 63-len(number))) + number
}

// patternAt returns n bytes of the pattern from an offset.
func patternAt(offset, n int) []byte {
	out := make([]byte, 0, n)
	for len(out) < n {
		part := pattern()[(offset+len(out))%len(pattern()):]
		out = append(out, part[:min(len(part), n-len(out))]...)
	}
	return out
}

// digests has the SHA-256 of the first n bytes of the pattern by n.
var digests sync.Map

func patternSum(n int) [sha256.Size]byte {
	if sum, ok := digests.Load(n); ok {
		return sum.([sha256.Size]byte)
	}
	h := sha256.New()
	for left := n; left > 0; left -= len(pattern()) {
		h.Write(pattern()[:min(left, len(pattern()))])
	}
	sum := [sha256.Size]byte(h.Sum(nil))
	digests.Store(n, sum)
	return sum
}

// errWrong is the error of an answer that is not the one that must come.
var errWrong = errors.New("wrong answer")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errWrong, fmt.Sprintf(format, args...))
}
