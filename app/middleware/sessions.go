package middleware

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/securecookie"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/accept"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// SessionOptions configure Sessions.
type SessionOptions struct {
	// Keys are secrets of at least 32 random bytes. The first encrypts and signs cookies; cookies
	// of the others are still read, so that keys can be changed.
	Keys [][]byte
	// Name is the name of the cookie. The default is __Host-session, whose prefix keeps other
	// hosts of the domain from setting it, or session if Insecure is set.
	Name string
	// MaxAge is the time after which a session that is not used ends. 0 is 30 days.
	MaxAge time.Duration
	// SameSite is http.SameSiteLaxMode if 0.
	SameSite http.SameSite
	// Insecure lets the cookie be sent without TLS, for development.
	Insecure bool
}

const (
	defaultSessionAge = 30 * 24 * time.Hour
	minSessionKey     = 32
	// maxCookie is the length in bytes of name and value that browsers keep.
	maxCookie = 4096
	// maxSessionCookies is the number of cookies of the name that are tried: other hosts of the
	// domain may have set some.
	maxSessionCookies = 4
)

// Sessions keeps small values for each browser in a cookie that is encrypted and signed
// (github.com/gorilla/securecookie), so that browsers can neither read nor change it and
// servers need no store. Anyone with the cookie has the session until MaxAge has passed: it cannot
// be ended by the server alone, and an older cookie of the same session still counts.
//
// The cookie has the attributes HttpOnly, Secure, SameSite=Lax and Path=/. It is set when the
// session has changed, and again when half of MaxAge has passed. Responses of handlers that
// asked for the session get Vary: Cookie, and Cache-Control: private unless they have a
// Cache-Control.
//
// Sessions fails if a key is too short or the name is no token.
func Sessions(options SessionOptions) (app.Middleware, error) {
	s, err := newSessions(options)
	if err != nil {
		return nil, fmt.Errorf("middleware: Sessions: %w", err)
	}
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Answer {
			session := &Session{sessions: s, r: r}
			r.SetValue(sessionKey{}, session)
			f := next.Try(r)
			if f.Ready() && !session.used() {
				return f
			}
			return app.Then(Changed(f, session.save), session.check)
		}
	}, nil
}

type sessions struct {
	options SessionOptions
	codecs  []securecookie.Codec
}

func newSessions(o SessionOptions) (*sessions, error) {
	if len(o.Keys) == 0 {
		return nil, errors.New("there is no key")
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultSessionAge
	}
	if o.SameSite == 0 {
		o.SameSite = http.SameSiteLaxMode
	}
	if o.Name == "" {
		o.Name = "__Host-session"
		if o.Insecure {
			o.Name = "session"
		}
	}
	switch {
	case !octets.IsToken(o.Name):
		return nil, fmt.Errorf("%q is not the name of a cookie", o.Name)
	case o.MaxAge < time.Second:
		return nil, fmt.Errorf("a MaxAge of %v", o.MaxAge)
	case o.Insecure && strings.HasPrefix(o.Name, "__"):
		return nil, fmt.Errorf("browsers refuse the name %s without TLS", o.Name)
	case o.Insecure && o.SameSite == http.SameSiteNoneMode:
		return nil, errors.New("browsers refuse SameSite=None without TLS")
	}
	s := &sessions{options: o}
	for i, key := range o.Keys {
		if len(key) < minSessionKey {
			return nil, fmt.Errorf("key %d has %d bytes of at least %d", i+1, len(key), minSessionKey)
		}
		codec, err := newCodec(key, o.MaxAge, maxCookie-len(o.Name))
		if err != nil {
			return nil, err
		}
		s.codecs = append(s.codecs, codec)
	}
	return s, nil
}

// newCodec returns what encrypts (AES-256) and signs (HMAC with SHA-256) with keys that are
// derived from one.
func newCodec(key []byte, age time.Duration, length int) (securecookie.Codec, error) {
	signing, err := hkdf.Key(sha256.New, key, nil, "gatewheel session: sign", 64)
	if err != nil {
		return nil, err
	}
	encryption, err := hkdf.Key(sha256.New, key, nil, "gatewheel session: encrypt", 32)
	if err != nil {
		return nil, err
	}
	codec := securecookie.New(signing, encryption)
	codec.SetSerializer(securecookie.JSONEncoder{})
	codec.MaxAge(int(age / time.Second))
	codec.MaxLength(length)
	return codec, nil
}

// sessionCookie is what the cookie holds.
type sessionCookie struct {
	Set    int64             `json:"t"` // in Unix seconds
	Values map[string]string `json:"v"`
}

// Session is the session of a request. Any goroutine may use it, until the head of the response is
// ready: later changes are lost.
type Session struct {
	sessions *sessions
	r        *app.Request

	mu      sync.Mutex // of what follows
	values  map[string]string
	read    bool // the cookie was read
	changed bool
	sent    bool // the browser has a cookie of a session
	failure error
}

type sessionKey struct{}

// SessionOf returns the session of r, an empty one if the browser has none. It panics if the
// middleware Sessions is not around the handler. Any goroutine.
func SessionOf(r *app.Request) *Session {
	s, _ := r.Value(sessionKey{}).(*Session)
	if s == nil {
		panic("middleware: SessionOf: the middleware Sessions is not around this handler")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read {
		s.read = true
		s.load()
	}
	return s
}

// used reports whether SessionOf was called.
func (s *Session) used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read
}

// load reads the cookie. The caller holds mu.
func (s *Session) load() {
	s.values = map[string]string{}
	tried := 0
	for _, sent := range s.r.Cookies() {
		if sent.Name != s.sessions.options.Name {
			continue
		}
		if tried++; tried > maxSessionCookies {
			return
		}
		var c sessionCookie
		if securecookie.DecodeMulti(sent.Name, sent.Value, &c, s.sessions.codecs...) != nil {
			continue
		}
		if c.Values != nil {
			s.values = c.Values
		}
		s.sent = true
		age := s.r.Arrived.Sub(time.Unix(c.Set, 0))
		s.changed = age > s.sessions.options.MaxAge/2
		return
	}
}

// Get returns the value of a key, or "".
func (s *Session) Get(key string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// Set sets the value of a key. Keys and values have to be UTF-8; together, encrypted and encoded,
// they fit into 4096 bytes, which are about 2200 of text. A response whose session does not fit
// is a 500, and the reason is logged.
func (s *Session) Set(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.values[key]; !ok || old != value {
		s.values[key], s.changed = value, true
	}
}

// Delete removes a key.
func (s *Session) Delete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.values[key]; ok {
		delete(s.values, key)
		s.changed = true
	}
}

// Clear removes all keys, and with them the cookie: the end of the session.
func (s *Session) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed = s.changed || len(s.values) > 0 || s.sent
	clear(s.values)
}

// Values returns a copy of all keys and values.
func (s *Session) Values() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}

// save returns resp with the cookie, if that has to be set.
func (s *Session) save(resp *app.Response) *app.Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.read {
		return resp
	}
	changed := *resp
	changed.Fields = resp.Fields.Clone(3)
	changed.Fields = accept.Vary(changed.Fields, "Cookie")
	if !changed.Fields.Has("Cache-Control") {
		changed.Fields.Add("Cache-Control", "private")
	}
	if s.changed && (s.sent || len(s.values) > 0) {
		var line string
		if line, s.failure = s.cookie(); s.failure == nil {
			changed.Fields.Add("Set-Cookie", line)
		}
	}
	return &changed
}

// check fails if the session could not be saved.
func (s *Session) check(resp *app.Response) app.Answer {
	if s.failure != nil {
		resp.Close()
		return app.Fail(s.failure)
	}
	return app.Ready(resp)
}

// cookie returns the value of Set-Cookie. The caller holds mu.
func (s *Session) cookie() (string, error) {
	o := &s.sessions.options
	c := http.Cookie{Name: o.Name, Path: "/", HttpOnly: true, Secure: !o.Insecure, SameSite: o.SameSite, MaxAge: -1}
	if len(s.values) > 0 {
		value, err := securecookie.EncodeMulti(o.Name, sessionCookie{s.r.Arrived.Unix(), s.values}, s.sessions.codecs[0])
		if err != nil {
			return "", fmt.Errorf("middleware: the session cannot be kept in a cookie: %w", err)
		}
		c.Value, c.MaxAge = value, int(o.MaxAge/time.Second)
	}
	return c.String(), nil
}
