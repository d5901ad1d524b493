// Package gatewheel_test holds what concerns the tree as a whole.
package gatewheel_test

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gatewheel/gatewheel"

// arrow says what the packages that match may import beside the standard library: packages of this
// module, and of others. Patterns are those of path.Match; a final /... takes all packages below.
type arrow struct {
	packages string
	own      []string
	others   []string
	not      []string // packages of the standard library that are kept out
}

// sansIO is what a protocol machine has never heard of.
var sansIO = []string{"net", "net/...", "os", "os/...", "io/fs", "log", "log/...", "syscall"}

// web is what the reactor has never heard of.
var web = []string{"net/http", "net/http/...", "golang.org/x/net/http2", "golang.org/x/net/http2/..."}

// arrows point one way: cmd, app/server, then app, reactor and the machines. The first that matches counts.
var arrows = []arrow{
	{packages: "reactor", own: []string{"internal/...", "reactor/internal/engine"}, not: web, others: []string{"go.uber.org/zap",
		"go.uber.org/zap/...", "golang.org/x/sys/unix", "github.com/coreos/go-systemd/v22/activation", "github.com/pires/go-proxyproto"}},
	{packages: "reactor/internal/engine", not: web, others: []string{"github.com/panjf2000/gnet/v2", "github.com/panjf2000/gnet/v2/pkg/errors", "go.uber.org/zap", "golang.org/x/sys/unix"}},
	{packages: "reactor/internal/engine/enginetest", own: []string{"reactor/internal/engine"}, not: web,
		others: []string{"github.com/panjf2000/gnet/v2", "go.uber.org/zap", "golang.org/x/sys/unix"}},
	{packages: "reactor/certs", not: web, own: []string{"internal/octets", "internal/logqueue", "internal/filewatch"}, others: []string{"go.uber.org/zap"}},
	{packages: "reactor/certs/certstest"},
	{packages: "internal/completion", others: []string{"github.com/alecthomas/kong"}},
	{packages: "internal/manpage", others: []string{"github.com/alecthomas/kong"}},
	{packages: "internal/filewatch", others: []string{"github.com/fsnotify/fsnotify"}},
	{packages: "internal/goroutine", not: sansIO},
	{packages: "internal/handover", others: []string{"golang.org/x/sys/unix"}},
	{packages: "internal/histogram", not: sansIO},
	{packages: "internal/linked", not: sansIO},
	{packages: "internal/loglimit", own: []string{"internal/moment"}, not: sansIO},
	{packages: "internal/clockjump", others: []string{"unsafe"}, not: sansIO},
	{packages: "internal/logqueue", others: []string{"go.uber.org/zap", "go.uber.org/zap/..."}},
	{packages: "internal/moment", not: sansIO},
	{packages: "internal/pace", not: sansIO},
	{packages: "internal/octets", not: []string{"net", "net/http", "net/http/...", "net/url", "os", "os/...", "io/fs", "log", "log/...", "syscall"}},
	{packages: "internal/memo", own: []string{"internal/octets"}, not: sansIO},
	{packages: "internal/inflate", not: sansIO},
	{packages: "internal/redistest"},
	{packages: "internal/rate", not: []string{"net", "net/http", "os", "os/...", "io/fs", "log", "log/...", "syscall"}},
	{packages: "internal/suggest", not: sansIO},
	{packages: "internal/systemd", others: []string{"github.com/coreos/go-systemd/v22/daemon"}},
	{packages: "internal/testport", others: []string{"golang.org/x/sys/unix"}},
	{packages: "h1", not: sansIO, own: []string{"internal/..."}},
	{packages: "h2", not: sansIO, own: []string{"internal/..."}, others: []string{"golang.org/x/net/http2/hpack"}},
	{packages: "ws", not: sansIO, own: []string{"internal/..."}, others: []string{"github.com/klauspost/compress/flate"}},
	{packages: "app", own: []string{"app/forwarded", "app/internal/...", "internal/..."}},
	{packages: "app/forwarded", own: []string{"app/internal/...", "internal/..."}},
	{packages: "app/internal/deadline", own: []string{"app"}},
	{packages: "app/internal/failure", own: []string{"app", "app/internal/internalapi"}},
	{packages: "app/internal/overhttp", own: []string{"app", "app/forwarded", "app/spi", "app/websocket", "internal/octets", "ws"}, others: []string{"golang.org/x/net/http/httpguts"}},
	{packages: "app/internal/...", own: []string{"app/internal/...", "internal/..."}},
	{packages: "app/spi", own: []string{"app", "app/websocket", "app/internal/..."}},
	{packages: "app/client", own: []string{"app", "app/spi", "app/trace", "app/websocket", "app/internal/...", "internal/..."}},
	{packages: "app/server", own: []string{"app", "app/...", "reactor", "reactor/certs", "h1", "h2", "ws", "internal/..."},
		others: []string{"go.uber.org/zap", "go.uber.org/zap/...", "golang.org/x/sys/unix"}},
	{packages: "app/server/admin", own: []string{"internal/loglimit"}, others: []string{"go.uber.org/zap", "go.uber.org/zap/...", "golang.org/x/sys/unix"}, not: []string{"net/http/pprof"}},
	// accesslog renders what the server and the gateway know of a request, and rotates files.
	{packages: "app/server/accesslog", own: []string{"app", "app/server", "app/spi", "internal/..."},
		others: []string{"go.uber.org/zap", "go.uber.org/zap/...", "golang.org/x/sys/unix", "gopkg.in/natefinch/lumberjack.v2"}},
	// It reads the counters of all that it counts, and uses no more of them.
	{packages: "app/server/metrics", own: []string{"app", "app/gateway", "app/server", "app/spi", "h2", "internal/histogram", "reactor"},
		others: []string{"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/collectors",
			"github.com/prometheus/client_golang/prometheus/promhttp", "github.com/prometheus/client_model/go"}},
	{packages: "app/server/...", own: []string{"app", "app/server/..."},
		others: []string{"go.uber.org/zap", "go.uber.org/zap/...", "golang.org/x/sys/unix"}},
	{packages: "app/nethttp", own: []string{"app", "app/server", "app/spi", "app/internal/...", "internal/...", "reactor"}, others: []string{"go.uber.org/zap", "go.uber.org/zap/zapcore", "golang.org/x/net/http/httpguts"}},
	{packages: "app/nethttp/nethttptest", own: []string{"app/nethttp"}},
	{packages: "app/problem", own: []string{"app", "app/input", "internal/octets"}},
	{packages: "app/router", own: []string{"app", "app/internal/...", "internal/..."}},
	{packages: "app/files", own: []string{"app", "app/internal/...", "internal/..."}, others: []string{"golang.org/x/sys/unix"}},
	{packages: "app/websocket", own: []string{"app", "app/internal/...", "internal/..."}},
	{packages: "app/events", own: []string{"app", "app/internal/...", "internal/..."}},
	{packages: "app/middleware", own: []string{"app", "app/forwarded", "app/internal/...", "internal/..."}, others: []string{"github.com/gorilla/securecookie"}},
	{packages: "app/gateway", own: []string{"app", "app/client", "app/compress", "app/gateway/auth", "app/gateway/config", "app/gateway/discovery", "app/gateway/limit", "app/gateway/routing", "app/spi", "app/forwarded", "app/router", "app/websocket", "app/internal/...", "internal/..."},
		others: []string{"github.com/pires/go-proxyproto"}},
	{packages: "app/apptest", own: []string{"app", "app/client", "app/spi", "app/websocket", "internal/goroutine"}},
	{packages: "app/gateway/discovery", own: []string{"internal/..."}, others: []string{"github.com/miekg/dns"}},
	{packages: "app/gateway/discovery/dnsmasqtest", own: []string{"internal/testport"}},
	{packages: "app/gateway/config", own: []string{"app/internal/...", "internal/..."}},
	{packages: "app/gateway/file", own: []string{"app/gateway/config", "internal/..."}, others: []string{"github.com/goccy/go-yaml", "github.com/goccy/go-yaml/..."}},
	{packages: "app/gateway/routing", own: []string{"app", "app/gateway/config", "app/internal/...", "internal/..."}},
	{packages: "app/gateway/auth", own: []string{"app", "app/client", "internal/filewatch", "internal/octets"}, others: []string{
		"golang.org/x/crypto/bcrypt", "github.com/lestrrat-go/jwx/v3/jwa", "github.com/lestrrat-go/jwx/v3/jwk", "github.com/lestrrat-go/jwx/v3/jwt"}},
	{packages: "app/gateway/limit", own: []string{"app", "app/internal/...", "internal/octets", "internal/rate"}, others: []string{"github.com/gomodule/redigo/redis"}},
	{packages: "app/compress", own: []string{"app", "app/middleware", "app/internal/...", "internal/..."}, others: []string{"github.com/klauspost/compress/..."}},
	{packages: "app/target", own: []string{"app", "app/client", "app/compress", "app/events", "app/files", "app/middleware", "app/router", "app/spi", "app/websocket", "internal/..."}},
	{packages: "app/...", own: []string{"app", "app/apptest", "app/internal/...", "internal/..."}, others: []string{
		"github.com/klauspost/compress/..."}},
	{packages: "examples"},
	{packages: "examples/internal/exampletest", own: []string{"internal/testport"}},
	{packages: "examples/...", own: []string{"app", "app/...", "examples/internal/address", "examples/site/public"}},
	{packages: "cmd/...", own: []string{"app", "app/...", "reactor", "reactor/certs", "internal/..."}, others: []string{
		"github.com/alecthomas/kong", "go.uber.org/zap", "go.uber.org/zap/...", "golang.org/x/sys/unix"}},
}

func matches(pattern, name string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(name, below+"/")
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

func (a arrow) allows(imported string) bool {
	if matchesAny(a.not, imported) {
		return false
	}
	if own, ok := strings.CutPrefix(imported, module+"/"); ok {
		return matchesAny(a.own, own)
	}
	standard := !strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	return standard || matchesAny(a.others, imported)
}

// TestArrowsPointOneWay keeps the layout: what a package imports directly, its tests aside, is what
// its place in the house allows.
func TestArrowsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{.Imports}}", "./...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		name, list, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !strings.HasPrefix(name, module) {
			t.Fatalf("go list printed %q", line)
		}
		imports := strings.Fields(strings.Trim(list, "[]"))
		name = strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
		if name == "" && len(imports) == 0 {
			continue
		}
		i := slices.IndexFunc(arrows, func(a arrow) bool { return matches(a.packages, name) })
		if i < 0 {
			t.Errorf("package %s has no place in the house: give it one in this test", name)
			continue
		}
		for _, imported := range imports {
			if !arrows[i].allows(imported) {
				t.Errorf("%s imports %s, and its arrows do not lead there", name, imported)
			}
		}
	}
}

func TestArrowsForbid(t *testing.T) {
	for _, c := range []struct {
		name, imported string
		want           bool
	}{
		{"h1", "bytes", true},
		{"h1", "net", false},
		{"h1", "net/netip", false},
		{"h1", module + "/h2", false},
		{"h1", module + "/internal/octets", true},
		{"internal/octets", "net/netip", true},
		{"internal/octets", "net", false},
		{"h2", "golang.org/x/net/http2/hpack", true},
		{"h2", "golang.org/x/net/http2", false},
		{"ws", "github.com/klauspost/compress/flate", true},
		{"app", "go.uber.org/zap", false},
		{"app", module + "/reactor", false},
		{"app/target", module + "/app", true},
		{"app/target", module + "/app/server", false},
		{"app/client", module + "/app/spi", true},
		{"app/client", module + "/reactor", false},
		{"app/client", module + "/h1", false},
		{"app/server", module + "/h2", true},
		{"app/server/metrics", module + "/reactor/certs", false},
		{"reactor", "github.com/panjf2000/gnet/v2", false},
		{"reactor/internal/engine", "github.com/panjf2000/gnet/v2", true},
		{"reactor/internal/engine", module + "/reactor", false},
		{"reactor", module + "/h1", false},
		{"reactor", "net/http", false},
		{"reactor/certs", module + "/reactor", false},
		{"cmd/gatewheel", module + "/app/server", true},
		{"cmd/gatewheel", module + "/h1", false},
	} {
		i := slices.IndexFunc(arrows, func(a arrow) bool { return matches(a.packages, c.name) })
		if got := arrows[i].allows(c.imported); got != c.want {
			t.Errorf("%s importing %s: allowed is %v, want %v", c.name, c.imported, got, c.want)
		}
	}
}
