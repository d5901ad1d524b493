package auth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// JWTOptions describe authentication by tokens.
type JWTOptions struct {
	// JWKS is the URL or the file of the key set (RFC 7517). A URL is fetched by a goroutine, again
	// when its Cache-Control says so (between MinRefresh and 24 h; 15 min if it says nothing), and
	// when a token names an unknown key, for that at most once in 30 s. If that fails, the old keys
	// stay. A file is read again when it has changed.
	JWKS string
	// Issuer is the issuer that a token must name; empty: any.
	Issuer string
	// Audience has audiences, one of which a token must name; empty: any.
	Audience []string
	// Claims has the names of fields by those of claims: the request gets the claim's value. Text is
	// copied; numbers and booleans are written as in JSON; the elements of an array are separated by
	// commas; an object is written as JSON. A token whose claim cannot be a field value is refused.
	Claims map[string]string
	// Algorithms are those that are accepted. The default is all of RS, PS and ES with 256, 384 and
	// 512, and EdDSA. Others do not exist: there is neither none nor HMAC.
	Algorithms []string
	// Leeway is by how much clocks may differ. 0 is 30 s, a negative value none.
	Leeway time.Duration
	// Realm is that of WWW-Authenticate. The default is "restricted".
	Realm string
	// MinRefresh is the least time between two fetches of a URL by its Cache-Control. 0 is 1 min.
	MinRefresh time.Duration
	// Client fetches a URL. The default has a timeout of 10 s.
	Client *http.Client
	// Warn, if not nil, is called when keys cannot be fetched or read, once until they can again,
	// and then with nil. It is not called on a loop.
	Warn func(error)
}

const (
	defaultLeeway = 30 * time.Second
	// tokensKept is the number of valid tokens that are remembered, each until it expires, at most
	// for tokensTime. Of each a keyed hash and the fields are kept.
	tokensKept = 8192
	tokensTime = 5 * time.Minute
	// tokensUnderWay is the number of tokens that may be verified at a time.
	tokensUnderWay = 1024
	// tokenSize is the longest token.
	tokenSize = 16 << 10
)

// algorithms are those that may be accepted, with the type of their keys.
var algorithms = map[string]jwa.KeyType{
	"RS256": jwa.RSA(), "RS384": jwa.RSA(), "RS512": jwa.RSA(), "PS256": jwa.RSA(), "PS384": jwa.RSA(), "PS512": jwa.RSA(),
	"ES256": jwa.EC(), "ES384": jwa.EC(), "ES512": jwa.EC(), "EdDSA": jwa.OKP(),
}

// JWT lets requests pass that have a valid bearer token (RFC 6750, RFC 7519). Tokens are verified in
// the server's pool, since that takes longer than all the rest of a request, and remembered until
// they expire, for at most 5 minutes, or until the keys change.
type JWT struct {
	options   JWTOptions
	keys      *keySource
	digester  *digester
	challenge string
	fields    []string
}

// OpenJWT returns a check. It reads a file of keys, and does not wait for those of a URL: requests
// that come before them wait for the first fetch.
func OpenJWT(o JWTOptions) (*JWT, error) {
	if o.Realm == "" {
		o.Realm = "restricted"
	}
	switch {
	case o.Leeway == 0:
		o.Leeway = defaultLeeway
	case o.Leeway < 0:
		o.Leeway = 0
	}
	for _, name := range o.Algorithms {
		if _, ok := algorithms[name]; !ok {
			return nil, fmt.Errorf("auth: the algorithm %q is not accepted; there are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA", name)
		}
	}
	j := &JWT{options: o, digester: newDigester(), challenge: "Bearer realm=" + quote(o.Realm)}
	for claim, field := range o.Claims {
		if !octets.IsToken(field) {
			return nil, fmt.Errorf("auth: %q, for the claim %q, is not the name of a field", field, claim)
		}
		j.fields = append(j.fields, field)
	}
	slices.Sort(j.fields)
	keys, err := openKeys(&j.options)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	j.keys = keys
	return j, nil
}

// errNoKeys reports that no keys were fetched yet.
var errNoKeys = &app.StatusError{Status: 503, Message: "tokens cannot be verified now", Fields: app.Fields{{Name: "Retry-After", Value: "5"}}}

// Check implements Checker. A token that is remembered costs no allocation, unless claims are copied,
// which costs one.
func (j *JWT) Check(r *app.Request) app.Answer {
	token, ok := r.Authorization("Bearer")
	switch {
	case !ok && !r.Fields.Has("Authorization"):
		return app.Ready(unauthorized(j.challenge))
	case !ok:
		return j.refuse(refusedForm)
	case len(token) > tokenSize:
		return j.refuse(refusedForm)
	}
	now, d := r.Loop().Now(), j.digester.of(token)
	if keys := j.keys.current.Load(); keys != nil {
		if found := keys.verifier.lookup(d, now); found != nil {
			return j.pass(r, found.value)
		}
	}
	return j.verify(r, d, token, now)
}

// verify verifies a token that is not remembered.
func (j *JWT) verify(r *app.Request, d digest, token string, now time.Time) app.Answer {
	verifier := j.keys.verifier()
	f := verifier.verify(r, d, func(done func(app.Fields, time.Time, error)) {
		fields, until, err := j.verifyToken(token, now)
		if (err == errNoKeys || err == refusedKey) && j.keys.fetch(func() { j.verifyInto(token, now, done) }) {
			return
		}
		done(fields, until, err)
	})
	return app.After(f, func(fields app.Fields, err error) app.Answer {
		if refused, ok := errors.AsType[refusedToken](err); ok {
			return j.refuse(refused)
		}
		if err != nil {
			return app.Fail(err)
		}
		return j.pass(r, fields)
	})
}

func (j *JWT) pass(r *app.Request, fields app.Fields) app.Answer {
	setFields(r, j.fields, fields)
	return passes()
}

// refuse returns the response to a request whose token is invalid (RFC 6750 section 3.1).
func (j *JWT) refuse(why refusedToken) app.Answer {
	return app.Ready(unauthorized(j.challenge + `, error="invalid_token", error_description=` + quote(string(why))))
}

// Fields implements Checker.
func (j *JWT) Fields() []string { return j.fields }

// Close implements Checker.
func (j *JWT) Close() { j.keys.close() }

// IsURL reports whether JWTOptions.JWKS is a URL, not a file.
func IsURL(jwks string) bool { return strings.Contains(jwks, "://") }
