package auth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

const (
	defaultMinRefresh = time.Minute
	defaultRefresh    = 15 * time.Minute
	maxRefresh        = 24 * time.Hour
	fetchTimeout      = 10 * time.Second
	// unknownKeyPeriod is the least time between two fetches for unknown keys, and after a failure.
	unknownKeyPeriod = 30 * time.Second
	// firstRetry is the time after a failed fetch while there are no keys. It doubles.
	firstRetry = time.Second
	jwksSize   = 1 << 20
	// minRSA is the least length of RSA keys in bits (RFC 7518 section 3.3).
	minRSA = 2048
	// maxTried is the number of keys that are tried for a token that names none.
	maxTried = 8
)

// key is a public key for signatures.
type key struct {
	id     string
	typ    jwa.KeyType
	alg    string // the only one; empty: any of the type
	public any
}

// keySet is the keys of one version of a JWKS, and the tokens that they have verified.
type keySet struct {
	keys     []key
	verifier *verifier[app.Fields]
}

// find returns the keys that may have signed a token.
func (s *keySet) find(alg jwa.SignatureAlgorithm, kid string) (found []key) {
	for _, k := range s.keys {
		if (kid == "" || k.id == kid) && k.fits(alg.String()) && len(found) < maxTried {
			found = append(found, k)
		}
	}
	return found
}

// curves are the sizes of the curves of ES algorithms (RFC 7518 section 3.4).
var curves = map[string]int{"ES256": 256, "ES384": 384, "ES512": 521}

// fits reports whether the key may be used with the algorithm.
func (k *key) fits(alg string) bool {
	if k.typ != algorithms[alg] || k.alg != "" && k.alg != alg {
		return false
	}
	curve, ok := k.public.(*ecdsa.PublicKey)
	return !ok || curve.Curve.Params().BitSize == curves[alg]
}

// parseKeys returns the public keys for signatures in a JWKS. Others, symmetric ones among them, are
// left out, since a key that is published must not be taken for a secret.
func parseKeys(content []byte) ([]key, error) {
	set, err := jwk.Parse(content, jwk.WithIgnoreParseError(true))
	if err != nil {
		return nil, errors.New("this is not a key set (JWKS)")
	}
	var keys []key
	for i := range set.Len() {
		parsed, _ := set.Key(i)
		if k, ok := usable(parsed); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the key set has no public key for signatures")
	}
	return keys, nil
}

// usable returns a key for signatures. ok is false if it is none.
func usable(parsed jwk.Key) (k key, ok bool) {
	if use, stated := parsed.KeyUsage(); stated && use != "sig" || parsed.KeyType() == jwa.OctetSeq() {
		return k, false
	}
	if public, err := parsed.PublicKey(); err != nil || jwk.Export(public, &k.public) != nil {
		return k, false
	}
	k.typ = parsed.KeyType()
	k.id, _ = parsed.KeyID()
	if alg, stated := parsed.Algorithm(); stated {
		k.alg = alg.String()
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return k, public.N.BitLen() >= minRSA
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return k, true
	}
	return k, false
}

// keySource keeps the keys of a file or a URL.
type keySource struct {
	current atomic.Pointer[keySet] // nil: none yet
	without *verifier[app.Fields]  // in place of that of current
	options *JWTOptions
	file    *watchedFile // nil: a URL
	client  *http.Client
	content []byte // of current; of the goroutine
	failing bool   // of the goroutine
	stop    context.CancelFunc
	ended   chan struct{}
	wanted  chan struct{} // a fetch is asked for

	mu       sync.Mutex
	waiting  []func() // until the fetch under way has ended
	fetching bool
	asked    time.Time // when a fetch for an unknown key began
	closed   bool
}

func openKeys(o *JWTOptions) (*keySource, error) {
	s := &keySource{options: o, without: newVerifier[app.Fields](ways, tokensUnderWay), client: o.Client}
	if !IsURL(o.JWKS) {
		file, err := openFile(o.JWKS, s.load, s.warnFile)
		s.file = file
		return s, err
	}
	if s.client == nil {
		s.client = &http.Client{Timeout: fetchTimeout, CheckRedirect: stayHTTPS}
	}
	if o.MinRefresh <= 0 {
		o.MinRefresh = defaultMinRefresh
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop, s.ended, s.wanted, s.fetching = stop, make(chan struct{}), make(chan struct{}, 1), true
	go s.run(ctx)
	return s, nil
}

// stayHTTPS refuses redirections from https to http, on which keys could be replaced.
func stayHTTPS(req *http.Request, via []*http.Request) error {
	if len(via) > 5 || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
		return errors.New("the redirection is not followed")
	}
	return nil
}

func (s *keySource) close() {
	if s.file != nil {
		s.file.Close()
		return
	}
	s.stop()
	<-s.ended
	if s.options.Client == nil {
		s.client.CloseIdleConnections()
	}
}

// verifier returns where verifications under way are.
func (s *keySource) verifier() *verifier[app.Fields] {
	if keys := s.current.Load(); keys != nil {
		return keys.verifier
	}
	return s.without
}

// load takes the keys of a JWKS. Equal content keeps the tokens that were verified.
func (s *keySource) load(content []byte) error {
	keys, err := parseKeys(content)
	if err != nil {
		return fmt.Errorf("%s: %w", s.options.JWKS, err)
	}
	if s.current.Load() == nil || !bytes.Equal(content, s.content) {
		s.current.Store(&keySet{keys, newVerifier[app.Fields](tokensKept, tokensUnderWay)})
		s.content = bytes.Clone(content)
	}
	return nil
}

func (s *keySource) warnFile(err error) {
	if s.options.Warn != nil {
		s.options.Warn(err)
	}
}

// fetch has the keys fetched, and calls done then, on another goroutine. It reports false if they are
// in a file, or if they were fetched a short time ago.
func (s *keySource) fetch(done func()) bool {
	if s.file != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.closed || !s.fetching && !s.asked.IsZero() && now.Sub(s.asked) < unknownKeyPeriod {
		return false
	}
	s.waiting = append(s.waiting, done)
	if !s.fetching {
		s.fetching, s.asked = true, now
		s.wanted <- struct{}{}
	}
	return true
}

// run fetches the keys. It is a goroutine.
func (s *keySource) run(ctx context.Context) {
	defer close(s.ended)
	retry := firstRetry
	for {
		next, err := s.get(ctx)
		s.report(ctx, err)
		if err != nil {
			next = unknownKeyPeriod
			if s.current.Load() == nil {
				next = retry
				retry = min(2*retry, unknownKeyPeriod)
			}
		}
		s.fetched(false)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			s.fetched(true)
			return
		case <-s.wanted:
		case <-timer.C:
			s.begin()
		}
		timer.Stop()
	}
}

// begin marks a scheduled fetch.
func (s *keySource) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetching {
		<-s.wanted // asked for at the same time
	}
	s.fetching = true
}

// fetched tells those who wait for a fetch that it has ended.
func (s *keySource) fetched(closed bool) {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting, s.fetching, s.closed = nil, false, closed
	s.mu.Unlock()
	for _, done := range waiting {
		done()
	}
}

// report warns of the first of several failures, and of their end.
func (s *keySource) report(ctx context.Context, err error) {
	if ctx.Err() != nil || (err != nil) == s.failing {
		return
	}
	s.failing = err != nil
	if s.options.Warn != nil {
		s.options.Warn(err)
	}
}

// get fetches the keys, and returns the time until they are to be fetched again.
func (s *keySource) get(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", s.options.JWKS, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != 200 {
		return 0, fmt.Errorf("%s: the answer is %s", s.options.JWKS, resp.Status)
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, jwksSize+1))
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s: %w", s.options.JWKS, err)
	case len(content) > jwksSize:
		return 0, fmt.Errorf("%s: %w", s.options.JWKS, errTooLarge)
	}
	return refreshAfter(resp.Header.Values("Cache-Control"), s.options.MinRefresh), s.load(content)
}

// refreshAfter returns the time that Cache-Control gives (RFC 9111 section 5.2.2), within bounds.
func refreshAfter(cacheControl []string, least time.Duration) time.Duration {
	after := defaultRefresh
	for directive := range strings.SplitSeq(strings.Join(cacheControl, ","), ",") {
		name, value, _ := strings.Cut(octets.Trim(directive), "=")
		switch {
		case octets.EqualFold(name, "no-cache"), octets.EqualFold(name, "no-store"):
			return least
		case octets.EqualFold(name, "max-age"):
			if seconds := octets.Decimal(strings.Trim(value, `"`)); seconds >= 0 {
				after = time.Duration(min(seconds, int64(maxRefresh/time.Second))) * time.Second
			}
		}
	}
	return max(least, after)
}
