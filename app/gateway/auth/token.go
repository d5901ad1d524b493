package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// refusedToken is why a token is refused, as the client is told.
type refusedToken string

// Error implements error.
func (r refusedToken) Error() string { return string(r) }

const (
	refusedForm      refusedToken = "there is not one token"
	refusedAlgorithm refusedToken = "the algorithm is not accepted"
	refusedKey       refusedToken = "the key is unknown"
	refusedSignature refusedToken = "the signature is invalid"
	refusedExpired   refusedToken = "the token has expired"
	refusedEarly     refusedToken = "the token is not valid yet"
	refusedIssuer    refusedToken = "the issuer is another one"
	refusedAudience  refusedToken = "the token is for another audience"
	refusedClaim     refusedToken = "a claim cannot be passed on"
	refusedOther     refusedToken = "the token is invalid"
)

// verifyToken verifies a token by the current keys, and returns the fields of its claims and the time
// until which it may be remembered.
func (j *JWT) verifyToken(token string, now time.Time) (app.Fields, time.Time, error) {
	keys := j.keys.current.Load()
	if keys == nil {
		return nil, time.Time{}, errNoKeys
	}
	alg, kid, err := j.readHeader(token)
	if err != nil {
		return nil, time.Time{}, err
	}
	candidates := keys.find(alg, kid)
	if len(candidates) == 0 {
		return nil, time.Time{}, refusedKey
	}
	var claims jwt.Token
	for _, key := range candidates {
		// Errors of a later key say no more.
		if claims, err = jwt.ParseString(token, jwt.WithKey(alg, key.public), jwt.WithValidate(false)); err == nil {
			break
		}
	}
	if err != nil {
		return nil, time.Time{}, refusedSignature
	}
	if err := j.validate(claims, now); err != nil {
		return nil, time.Time{}, err
	}
	fields, err := j.claimFields(token)
	until := now.Add(tokensTime)
	if end, ok := claims.Expiration(); ok && end.Add(j.options.Leeway).Before(until) {
		until = end.Add(j.options.Leeway)
	}
	return fields, until, err
}

// verifyInto is verifyToken for a goroutine that a panic must not end.
func (j *JWT) verifyInto(token string, now time.Time, done func(app.Fields, time.Time, error)) {
	defer func() {
		if p := recover(); p != nil {
			done(nil, time.Time{}, fmt.Errorf("auth: a panic: %v", p))
		}
	}()
	fields, until, err := j.verifyToken(token, now)
	done(fields, until, err)
}

// readHeader returns the algorithm and the key that the token names (RFC 7515 section 4.1).
func (j *JWT) readHeader(token string) (alg jwa.SignatureAlgorithm, kid string, err error) {
	encoded, _, ok := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	var header struct {
		Alg  string          `json:"alg"`
		Kid  string          `json:"kid"`
		Crit json.RawMessage `json:"crit"`
	}
	if !ok || strings.Count(token, ".") != 2 || err != nil || json.Unmarshal(raw, &header) != nil {
		return alg, "", refusedForm
	}
	if header.Crit != nil {
		return alg, "", refusedOther // no extension is understood
	}
	_, known := algorithms[header.Alg]
	if !known || len(j.options.Algorithms) > 0 && !slices.Contains(j.options.Algorithms, header.Alg) {
		return alg, "", refusedAlgorithm
	}
	alg, known = jwa.LookupSignatureAlgorithm(header.Alg)
	if !known {
		return alg, "", refusedAlgorithm
	}
	return alg, header.Kid, nil
}

// clock is a jwt.Clock that stands.
type clock time.Time

// Now implements jwt.Clock.
func (c clock) Now() time.Time { return time.Time(c) }

// validate checks times, issuer and audience.
func (j *JWT) validate(claims jwt.Token, now time.Time) error {
	err := jwt.Validate(claims, jwt.WithClock(clock(now)), jwt.WithAcceptableSkew(j.options.Leeway))
	switch {
	case errors.Is(err, jwt.TokenExpiredError()):
		return refusedExpired
	case errors.Is(err, jwt.TokenNotYetValidError()), errors.Is(err, jwt.InvalidIssuedAtError()):
		return refusedEarly
	case err != nil:
		return refusedOther
	}
	if issuer, _ := claims.Issuer(); j.options.Issuer != "" && issuer != j.options.Issuer {
		return refusedIssuer
	}
	audience, _ := claims.Audience()
	if len(j.options.Audience) > 0 && !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(j.options.Audience, a) }) {
		return refusedAudience
	}
	return nil
}

// claimFields returns the fields of the claims that are copied, of a valid token.
func (j *JWT) claimFields(token string) (fields app.Fields, err error) {
	if len(j.options.Claims) == 0 {
		return nil, nil
	}
	// The JSON is read again, since numbers look as they came then.
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	var values map[string]json.RawMessage
	if err != nil || json.Unmarshal(raw, &values) != nil {
		return nil, refusedOther
	}
	for claim, name := range j.options.Claims {
		value, ok := values[claim]
		if !ok || string(value) == "null" {
			continue
		}
		text, ok := claimText(value)
		if !ok {
			return nil, refusedClaim
		}
		fields.Add(name, text)
	}
	return fields, nil
}

// claimText returns a claim as the value of a field.
func claimText(value json.RawMessage) (string, bool) {
	text := string(value)
	switch value[0] {
	case '"':
		if json.Unmarshal(value, &text) != nil {
			return "", false
		}
	case '[':
		var elements []json.RawMessage
		if json.Unmarshal(value, &elements) != nil {
			return "", false
		}
		texts := make([]string, len(elements))
		for i, e := range elements {
			t, ok := claimText(e)
			// An element must not look like two.
			if !ok || strings.Contains(t, ",") {
				return "", false
			}
			texts[i] = t
		}
		text = strings.Join(texts, ",")
	}
	return text, octets.IsValue(text)
}
