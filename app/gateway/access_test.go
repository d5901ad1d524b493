//go:build linux

package gateway_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/internal/redistest"
	"github.com/gatewheel/gatewheel/internal/testport"
)

// issuer signs tokens, and is a server of its public keys.
type issuer struct {
	t       *testing.T
	keys    atomic.Pointer[[]byte]
	fetches atomic.Int32
	key     *ecdsa.PrivateKey
	id      string
}

// rotate replaces the key.
func (i *issuer) rotate(id string) {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	public, err := jwk.Import(key.Public())
	if err != nil {
		i.t.Fatal(err)
	}
	public.Set(jwk.KeyIDKey, id)
	set := jwk.NewSet()
	set.AddKey(public)
	text, err := json.Marshal(set)
	if err != nil {
		i.t.Fatal(err)
	}
	i.keys.Store(&text)
	i.key, i.id = key, id
}

// ServeHTTP answers with the keys.
func (i *issuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.fetches.Add(1)
	w.Write(*i.keys.Load())
}

// bearer returns a value of Authorization.
func (i *issuer) bearer(subject string) string {
	headers := jws.NewHeaders()
	headers.Set(jws.KeyIDKey, i.id)
	payload, _ := json.Marshal(map[string]any{"sub": subject, "iss": "me", "aud": "shop", "exp": time.Now().Add(time.Hour).Unix()})
	token, err := jws.Sign(payload, jws.WithKey(jwa.ES256(), i.key, jws.WithProtectedHeaders(headers)))
	if err != nil {
		i.t.Fatal(err)
	}
	return "Bearer " + string(token)
}

// Tokens are verified with keys of a server, which are fetched again when a token names one that is not known.
func TestJWTWithAServerOfKeys(t *testing.T) {
	i := &issuer{t: t}
	i.rotate("first")
	keys := httptest.NewServer(i)
	defer keys.Close()
	url, _ := open(t, "routes: {/: {to: a, auth: {jwt: {jwks: \""+keys.URL+"\", issuer: me, audience: shop, claims: {sub: X-Subject}}}}}\nbackends: {a: BACKEND}\n",
		map[string]app.Handler{"BACKEND": says("a")})
	c := clientOf(t, true)
	want := func(authorization string, status int, subject string) {
		t.Helper()
		resp, content := ask(t, c, "GET", url, "", "Authorization", authorization, "X-Subject", "root")
		if resp.StatusCode != status || status == 200 && !strings.HasSuffix(content, "\nX-Subject: "+subject+"\n") {
			t.Errorf("status %d, content %q; want %d", resp.StatusCode, content, status)
		}
	}
	old := i.bearer("alice")
	want(old, 200, "alice")
	want("", 401, "")
	i.rotate("second")
	want(i.bearer("bob"), 200, "bob")
	want(old, 401, "")
	if n := i.fetches.Load(); n != 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// Two gateways count together. Without the server requests pass, and the log says so once; with it they count again.
func TestLimitInRedis(t *testing.T) {
	redis := testport.Address(t)
	stop := redistest.Start(t, redis)
	warnings := make(chan string, 10)
	text := "routes: {/: {respond: {status: 204}, limit: {rate: 3/h, burst: 3, key: \"header:X-Key\", shared: \"redis://" + redis + "\"}}}\n"
	var urls []string
	for range 2 {
		g, err := gateway.Open(parsed(t, text), gateway.Options{Warn: func(subject string, err error) {
			warnings <- fmt.Sprint(subject, ": ", err == nil)
		}}, gateway.Parts{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.Close)
		address, _ := serveOn(t, g.Serve)
		urls = append(urls, "http://"+address)
	}
	c := clientOf(t, false)
	statuses := func(key string) (all []int) {
		for n := range 6 {
			resp, _ := ask(t, c, "GET", urls[n%2], "", "X-Key", key)
			all = append(all, resp.StatusCode)
		}
		slices.Sort(all)
		return all
	}
	counted, passed := []int{204, 204, 204, 429, 429, 429}, []int{204, 204, 204, 204, 204, 204}
	eventually(t, "the gateways are connected", func() bool { return slices.Equal(statuses(rand.Text()), counted) })
	for len(warnings) > 0 {
		<-warnings // of a slow machine
	}
	stop()
	if got := statuses("while it is away"); !slices.Equal(got, passed) {
		t.Errorf("without the server: %v", got)
	}
	for range 2 {
		if got := <-warnings; got != "limit: shared redis://"+redis+": false" {
			t.Errorf("the warning is %s", got)
		}
	}
	redistest.Start(t, redis)
	eventually(t, "they count again", func() bool { return slices.Equal(statuses(rand.Text()), counted) })
	for range 2 {
		if got := <-warnings; got != "limit: shared redis://"+redis+": true" {
			t.Errorf("the warning is %s", got)
		}
	}
}

// A reload keeps the counts of a limit that is the same, also if its case moves, and what its authentication knows.
func TestReloadKeepsPermissions(t *testing.T) {
	i := &issuer{t: t}
	i.rotate("key")
	keys := httptest.NewServer(i)
	defer keys.Close()
	const text = "routes: {/: [%s{to: a, limit: {rate: 1/h, burst: 2, key: \"header:X-Key\"}, auth: {jwt: {jwks: \"%s\"}}}]}\nbackends: {a: \"http://%s\"}\n"
	backend, _ := serveOn(t, says("a"))
	load := func(extra string) *config.Config { return parsed(t, fmt.Sprintf(text, extra, keys.URL, backend)) }
	g, err := gateway.Open(load(""), gateway.Options{}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve)
	token := i.bearer("alice")
	want := func(key string, status int) {
		t.Helper()
		if resp, _ := ask(t, clientOf(t, false), "GET", "http://"+address, "", "X-Key", key, "Authorization", token); resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", key, resp.StatusCode, status)
		}
	}
	want("one", 200)
	want("one", 200)
	for _, extra := range []string{"{when: {method: PUT}, to: a, timeout: 1s}, ", "", "{when: {method: PUT}, to: a, limit: {rate: 7/s}}, "} {
		if err := g.Reload(load(extra)); err != nil {
			t.Fatal(err)
		}
		want("one", 429)
	}
	want("two", 200)
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
	if err := g.Reload(parsed(t, strings.ReplaceAll(fmt.Sprintf(text, "", keys.URL, backend), "burst: 2", "burst: 3"))); err != nil {
		t.Fatal(err)
	}
	want("one", 200) // another limit
}

// A reload ends the watches and fetches that nothing names any more.
func TestReloadClosesPermissions(t *testing.T) {
	i := &issuer{t: t}
	i.rotate("key")
	keys := httptest.NewServer(i)
	defer keys.Close()
	passwords := htpasswd(t)
	full := parsed(t, "routes: {/: {respond: {status: 204}, auth: {basic: "+passwords+"}}, /a: {respond: {status: 204}, auth: {jwt: {jwks: \""+keys.URL+
		"\"}}}, /b: {respond: {status: 204}, limit: {rate: 1/s, shared: \"redis://127.0.0.1:1\"}}}\n")
	empty := parsed(t, "routes: {/: {respond: {status: 204}}}\n")
	g, err := gateway.Open(empty, gateway.Options{}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	before := descriptors(t)
	for range 20 {
		for _, c := range []*config.Config{full, empty} {
			if err := g.Reload(c); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "nothing stays open", func() bool { return descriptors(t) <= before+1 })
	os.Remove(passwords)
	if err := g.Reload(full); err == nil || !strings.Contains(err.Error(), "htpasswd") {
		t.Errorf("without the file: %v", err)
	}
}

// descriptors returns the number of open files.
func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
