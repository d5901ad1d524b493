package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
)

// signer is a private key and its name.
type signer struct {
	id      string
	private any
}

var (
	rsaKey, _     = rsa.GenerateKey(rand.Reader, 2048)
	ecKey, _      = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, _   = ed25519.GenerateKey(rand.Reader)
	secondRSA, _  = rsa.GenerateKey(rand.Reader, 2048)
	first         = signer{"first", rsaKey}
	second        = signer{"second", secondRSA}
	elliptical    = signer{"elliptical", ecKey}
	edwards       = signer{"edwards", edKey}
	hostsStart    = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
	inAnHour      = hostsStart.Add(time.Hour).Unix()
	ordinary      = claims{"sub": "alice", "exp": inAnHour, "iss": "issuer", "aud": "shop"}
	ordinaryJWT   = auth.JWTOptions{Issuer: "issuer", Audience: []string{"shop", "store"}}
	unknownSigner = signer{"unknown", secondRSA}
)

type claims map[string]any

// jwks returns the public keys as a set.
func jwks(t *testing.T, signers ...signer) string {
	t.Helper()
	set := jwk.NewSet()
	for _, s := range signers {
		k, err := jwk.Import(s.private.(crypto.Signer).Public())
		if err != nil {
			t.Fatal(err)
		}
		k.Set(jwk.KeyIDKey, s.id)
		set.AddKey(k)
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sign returns a token.
func (s signer) sign(t *testing.T, alg string, c claims) string {
	t.Helper()
	headers := jws.NewHeaders()
	if s.id != "" {
		headers.Set(jws.KeyIDKey, s.id)
	}
	a, _ := jwa.LookupSignatureAlgorithm(alg)
	payload, _ := json.Marshal(c)
	token, err := jws.Sign(payload, jws.WithKey(a, s.private, jws.WithProtectedHeaders(headers)))
	if err != nil {
		t.Fatal(err)
	}
	return string(token)
}

// with returns the claims with one that is changed, or removed if value is nil.
func (c claims) with(name string, value any) claims {
	changed := claims{}
	for n, v := range c {
		changed[n] = v
	}
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

// newJWT returns a check whose keys are in a file.
func newJWT(t *testing.T, o auth.JWTOptions, signers ...signer) (*auth.JWT, string) {
	t.Helper()
	o.JWKS = filepath.Join(t.TempDir(), "keys.json")
	write(t, o.JWKS, jwks(t, signers...))
	j, err := auth.OpenJWT(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j, o.JWKS
}

// unsigned returns a token with that header and signature, made by hand.
func unsigned(header string, c claims, signature string) string {
	payload, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + signature
}

func TestJWT(t *testing.T) {
	j, _ := newJWT(t, ordinaryJWT, first, elliptical, edwards)
	h := apptest.New(auth.Require(j)(seen))
	good := first.sign(t, "RS256", ordinary)
	hmacKey, _ := jwk.Import([]byte(jwks(t, first)))
	hmacSigner := signer{"first", hmacKey}
	for _, c := range []struct {
		name, token, want string
	}{
		{"RS256", good, ""},
		{"PS256", first.sign(t, "PS256", ordinary), ""},
		{"ES256", elliptical.sign(t, "ES256", ordinary), ""},
		{"EdDSA", edwards.sign(t, "EdDSA", ordinary), ""},
		{"no kid", signer{"", rsaKey}.sign(t, "RS256", ordinary), ""},
		{"one of several audiences", first.sign(t, "RS256", ordinary.with("aud", []string{"x", "store"})), ""},
		{"no exp", first.sign(t, "RS256", ordinary.with("exp", nil)), ""},
		{"expired within the leeway", first.sign(t, "RS256", ordinary.with("exp", hostsStart.Unix()-20)), ""},
		{"expired", first.sign(t, "RS256", ordinary.with("exp", hostsStart.Unix()-40)), "the token has expired"},
		{"not valid yet", first.sign(t, "RS256", ordinary.with("nbf", hostsStart.Unix()+60)), "the token is not valid yet"},
		{"issued in the future", first.sign(t, "RS256", ordinary.with("iat", hostsStart.Unix()+60)), "the token is not valid yet"},
		{"another issuer", first.sign(t, "RS256", ordinary.with("iss", "other")), "the issuer is another one"},
		{"no issuer", first.sign(t, "RS256", ordinary.with("iss", nil)), "the issuer is another one"},
		{"another audience", first.sign(t, "RS256", ordinary.with("aud", "other")), "the token is for another audience"},
		{"no audience", first.sign(t, "RS256", ordinary.with("aud", nil)), "the token is for another audience"},
		{"another key of that name", signer{"first", secondRSA}.sign(t, "RS256", ordinary), "the signature is invalid"},
		{"an unknown key", unknownSigner.sign(t, "RS256", ordinary), "the key is unknown"},
		{"a changed signature", good[:len(good)-8] + "AAAAAAAA", "the signature is invalid"},
		{"changed claims", strings.Join([]string{strings.Split(good, ".")[0], strings.Split(unsigned("", claims{"sub": "root"}, ""), ".")[1], strings.Split(good, ".")[2]}, "."), "the signature is invalid"},
		{"none", unsigned(`{"alg":"none"}`, ordinary, ""), "the algorithm is not accepted"},
		{"None", unsigned(`{"alg":"None"}`, ordinary, ""), "the algorithm is not accepted"},
		{"no algorithm", unsigned(`{}`, ordinary, "AA"), "the algorithm is not accepted"},
		{"HMAC by the public key", hmacSigner.sign(t, "HS256", ordinary), "the algorithm is not accepted"},
		{"an algorithm of another key", strings.Replace(good, strings.Split(good, ".")[0], base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"first"}`)), 1), "the key is unknown"},
		{"a critical extension", unsigned(`{"alg":"RS256","kid":"first","crit":["b64"],"b64":false}`, ordinary, "AA"), "the token is invalid"},
		{"two parts", "a.b", "there is not one token"},
		{"no JSON", "a.b.c", "there is not one token"},
		{"too long", strings.Repeat("a", 20000), "there is not one token"},
	} {
		for range 2 {
			call := h.Do(apptest.Get("/", "Authorization", "Bearer "+c.token))
			if c.want == "" {
				if call.Status != 200 {
					t.Errorf("%s: %d %s", c.name, call.Status, call.Header.Get("WWW-Authenticate"))
				}
				continue
			}
			want := `Bearer realm="restricted", error="invalid_token", error_description="` + c.want + `"`
			if got := call.Header.Get("WWW-Authenticate"); call.Status != 401 || got != want {
				t.Errorf("%s: %d %s", c.name, call.Status, got)
			}
		}
	}
	if c := h.Do(apptest.Get("/")); c.Status != 401 || c.Header.Get("WWW-Authenticate") != `Bearer realm="restricted"` {
		t.Errorf("no token: %d %v", c.Status, c.Header)
	}
}

func TestJWTAlgorithms(t *testing.T) {
	j, _ := newJWT(t, auth.JWTOptions{Algorithms: []string{"ES256"}}, first, elliptical)
	h := apptest.New(auth.Require(j)(seen))
	if c := h.Do(apptest.Get("/", "Authorization", "Bearer "+first.sign(t, "RS256", ordinary))); c.Status != 401 {
		t.Errorf("RS256: %d", c.Status)
	}
	if c := h.Do(apptest.Get("/", "Authorization", "Bearer "+elliptical.sign(t, "ES256", ordinary))); c.Status != 200 {
		t.Errorf("ES256: %d", c.Status)
	}
	for _, alg := range []string{"none", "HS256", "", "rs256"} {
		if _, err := auth.OpenJWT(auth.JWTOptions{JWKS: "http://h", Algorithms: []string{alg}}); err == nil {
			t.Errorf("%q is accepted", alg)
		}
	}
}

func TestJWTClaims(t *testing.T) {
	j, _ := newJWT(t, auth.JWTOptions{Claims: map[string]string{"sub": "X-User", "groups": "X-Groups", "n": "X-N", "o": "X-O"}}, first)
	h := apptest.New(auth.Require(j)(seen))
	for _, c := range []struct {
		claims claims
		want   string // "": refused
	}{
		{claims{"sub": "alice"}, "X-User: alice"},
		{claims{"sub": "alice", "groups": []string{"a", "b"}}, "X-User: alice|X-Groups: a,b"},
		{claims{"n": json.Number("12345678901234567890"), "o": claims{"a": 1}}, `X-N: 12345678901234567890|X-O: {"a":1}`},
		{claims{"n": true, "sub": nil}, "X-N: true"},
		{claims{"sub": "a\r\nX-Admin: 1"}, ""},
		{claims{"groups": []string{"a,admin"}}, ""},
	} {
		call := h.Do(apptest.Get("/", "X-USER", "root", "x_groups", "admin", "X-N", "1", "X-O", "", "Authorization", "Bearer "+first.sign(t, "RS256", c.claims)))
		lines := strings.Split(string(call.Content), "\n")
		if c.want == "" {
			if call.Status != 401 {
				t.Errorf("%v: %d %q", c.claims, call.Status, lines)
			}
			continue
		}
		want := strings.Split(c.want, "|")
		if call.Status != 200 || len(lines) != len(want) {
			t.Errorf("%v: %d %q", c.claims, call.Status, lines)
		}
		for _, w := range want {
			if !strings.Contains("\n"+string(call.Content)+"\n", "\n"+w+"\n") {
				t.Errorf("%v: %q, want %q", c.claims, lines, w)
			}
		}
	}
}

func TestJWTIsRememberedUntilItExpires(t *testing.T) {
	j, file := newJWT(t, auth.JWTOptions{Leeway: -1}, first)
	h := apptest.New(auth.Require(j)(seen))
	token := "Bearer " + first.sign(t, "RS256", claims{"exp": hostsStart.Unix() + 60})
	ask := func() *apptest.Call { return h.Do(apptest.Get("/", "Authorization", token)) }
	ask().Want(t, 200, "")
	h.HoldPool = true
	h.Advance(59 * time.Second)
	ask().Want(t, 200, "")
	h.Advance(2 * time.Second)
	late := ask()
	late.WantNoAnswer(t)
	h.HoldPool = false
	if h.Settle(); late.Status != 401 {
		t.Errorf("expired: %d", late.Status)
	}
	lasting := "Bearer " + first.sign(t, "RS256", claims{"exp": inAnHour})
	status := func() int { return h.Do(apptest.Get("/", "Authorization", lasting)).Status }
	if got := status(); got != 200 {
		t.Errorf("a lasting token: %d", got)
	}
	write(t, file, jwks(t, second))
	eventually(t, "a token of a removed key is refused", func() bool { return status() == 401 })
	write(t, file, "{}")
	write(t, file, jwks(t, first, second))
	eventually(t, "the key is back", func() bool { return status() == 200 })
}

// issuer is a server of keys.
type issuer struct {
	*httptest.Server
	keys    atomic.Pointer[string]
	fetches atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	s := &issuer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.fetches.Add(1)
		keys := s.keys.Load()
		if keys == nil {
			w.WriteHeader(500)
			return
		}
		w.Header().Set("Cache-Control", "max-age=3600")
		fmt.Fprint(w, *keys)
	}))
	t.Cleanup(s.Close)
	return s
}

// answered settles the host until the call has an answer.
func answered(t *testing.T, h *apptest.Host, c *apptest.Call) int {
	t.Helper()
	eventually(t, "an answer", func() bool { h.Settle(); return c.Status != 0 })
	return c.Status
}

func TestJWTKeysOfAURL(t *testing.T) {
	s := newIssuer(t)
	keys := jwks(t, first)
	s.keys.Store(&keys)
	j, err := auth.OpenJWT(auth.JWTOptions{JWKS: s.URL, Issuer: "issuer"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h := apptest.New(auth.Require(j)(seen))
	ask := func(s signer) int {
		return answered(t, h, h.Do(apptest.Get("/", "Authorization", "Bearer "+s.sign(t, "RS256", ordinary))))
	}
	if got := ask(first); got != 200 {
		t.Errorf("a request before the first keys waits for them: %d", got)
	}
	keys = jwks(t, first, second)
	s.keys.Store(&keys)
	if got := ask(second); got != 200 {
		t.Errorf("a new key: %d", got)
	}
	fetches := s.fetches.Load()
	for range 20 {
		if got := ask(signer{"third", secondRSA}); got != 401 {
			t.Errorf("an unknown key: %d", got)
		}
	}
	if got := s.fetches.Load(); got != fetches {
		t.Errorf("%d fetches for unknown keys within the period", got-fetches)
	}
	if got := ask(first); got != 200 {
		t.Errorf("the first key: %d", got)
	}
}

func TestJWTKeysCannotBeFetched(t *testing.T) {
	s := newIssuer(t)
	warned := make(chan error, 10)
	j, err := auth.OpenJWT(auth.JWTOptions{JWKS: s.URL, Warn: func(err error) { warned <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h := apptest.New(auth.Require(j)(seen))
	ask := func() int {
		return answered(t, h, h.Do(apptest.Get("/", "Authorization", "Bearer "+first.sign(t, "RS256", ordinary))))
	}
	if got := ask(); got != 503 {
		t.Errorf("without keys: %d", got)
	}
	if err := <-warned; err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("warned: %v", err)
	}
	keys := jwks(t, first)
	s.keys.Store(&keys)
	if err := <-warned; err != nil {
		t.Errorf("warned: %v", err)
	}
	if got := ask(); got != 200 {
		t.Errorf("with keys: %d", got)
	}
}

func TestJWKSRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"no JSON":     "keys",
		"no keys":     `{"keys":[]}`,
		"a secret":    `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`,
		"for secrecy": strings.Replace(jwks(t, first), `"kty"`, `"use":"enc","kty"`, 1),
		"1024 bits": fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"weak","e":"AQAB","n":%q}]}`,
			base64.RawURLEncoding.EncodeToString(weak.N.Bytes())),
	} {
		file := filepath.Join(t.TempDir(), "keys.json")
		write(t, file, content)
		if _, err := auth.OpenJWT(auth.JWTOptions{JWKS: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
