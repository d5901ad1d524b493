package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/gatewheel/gatewheel/app"
)

// BasicOptions describe Basic authentication.
type BasicOptions struct {
	// File is an htpasswd file whose hashes are all of bcrypt. It is read again when it has changed.
	// If that fails, the old users stay.
	File string
	// Realm is shown by browsers. The default is "restricted".
	Realm string
	// User, if not empty, is the name of a field that gets the user's name, for the next handler.
	User string
	// Warn, if not nil, is called when the file cannot be read again. It is not called on a loop.
	Warn func(error)
}

const (
	// passwordsKept is the number of valid passwords that are remembered, each for passwordsTime.
	passwordsKept = 1024
	passwordsTime = 5 * time.Minute
	// basicSize is the longest credentials, in base64. bcrypt compares 72 bytes of a password.
	basicSize = 1024
)

// Basic lets requests pass that have a user and a password of a file (RFC 7617). Passwords are
// verified in the server's pool, at most four for each core at a time: of further requests with
// passwords that are not known yet, the answer is 503. Valid ones are remembered for 5 minutes, or
// until the file changes; of each a keyed hash is kept.
type Basic struct {
	users     atomic.Pointer[users]
	digester  *digester
	challenge string
	field     []string
	file      *watchedFile
}

// users are those of one version of the file.
type users struct {
	hashes   map[string][]byte
	unknown  []byte // for users that do not exist
	verifier *verifier[string]
}

// OpenBasic reads the file.
func OpenBasic(o BasicOptions) (*Basic, error) {
	if o.Realm == "" {
		o.Realm = "restricted"
	}
	b := &Basic{digester: newDigester(), challenge: "Basic realm=" + quote(o.Realm) + `, charset="UTF-8"`}
	if o.User != "" {
		b.field = []string{o.User}
	}
	file, err := openFile(o.File, func(content []byte) error {
		hashes, cost, err := parseHtpasswd(o.File, content)
		if err == nil {
			b.users.Store(&users{hashes, unknownUserHash(cost), newVerifier[string](passwordsKept, 4*runtime.GOMAXPROCS(0))})
		}
		return err
	}, o.Warn)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	b.file = file
	return b, nil
}

var (
	// errRefused reports invalid credentials.
	errRefused  = errors.New("auth: the credentials are invalid")
	errTooLarge = errors.New("the file is too large")
)

// Check implements Checker. A request whose password is remembered costs no allocation, unless
// BasicOptions.User is set.
func (b *Basic) Check(r *app.Request) app.Answer {
	encoded, ok := r.Authorization("Basic")
	if !ok || len(encoded) > basicSize {
		return app.Ready(unauthorized(b.challenge))
	}
	u, d, now := b.users.Load(), b.digester.of(encoded), r.Loop().Now()
	if found := u.verifier.lookup(d, now); found != nil {
		return b.pass(r, found.value)
	}
	return b.verify(r, u, d, encoded, now)
}

// verify compares a password that is not remembered.
func (b *Basic) verify(r *app.Request, u *users, d digest, encoded string, now time.Time) app.Answer {
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	user, password, ok := strings.Cut(string(decoded), ":")
	if err != nil || !ok {
		return app.Ready(unauthorized(b.challenge))
	}
	f := u.verifier.verify(r, d, func(done func(string, time.Time, error)) {
		done(user, now.Add(passwordsTime), u.compare(user, password))
	})
	return app.After(f, func(user string, err error) app.Answer {
		switch {
		case errors.Is(err, errRefused):
			return app.Ready(unauthorized(b.challenge))
		case err != nil:
			return app.Fail(err)
		}
		return b.pass(r, user)
	})
}

func (b *Basic) pass(r *app.Request, user string) app.Answer {
	if b.field != nil {
		setFields(r, b.field, app.Fields{{Name: b.field[0], Value: user}})
	}
	return passes()
}

// compare returns errRefused if the user does not have that password. It takes as long for a user
// that does not exist.
func (u *users) compare(user, password string) error {
	hash, known := u.hashes[user]
	if !known {
		hash = u.unknown
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		return errRefused
	}
	return nil
}

// Fields implements Checker.
func (b *Basic) Fields() []string { return b.field }

// Close implements Checker.
func (b *Basic) Close() { b.file.Close() }
