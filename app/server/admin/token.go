//go:build linux

package admin

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	// minToken is the length of the shortest token in bytes, maxToken that of the longest.
	minToken = 16
	maxToken = 4096
	// tokenAge is how long a token that was read is used before the file is read again.
	tokenAge = time.Second
)

// token is the token in a file, which may change while the program runs.
type token struct {
	file string

	mu   sync.Mutex
	read time.Time // when the file was read last; zero: never
	sum  [sha256.Size]byte
	err  error
}

// digest returns the digest of the token. It fails if the file has none now. Any goroutine.
func (t *token) digest(now time.Time) ([sha256.Size]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if age := now.Sub(t.read); t.read.IsZero() || age >= tokenAge || age < 0 {
		t.read = now
		t.sum, t.err = readToken(t.file)
	}
	return t.sum, t.err
}

func readToken(name string) (sum [sha256.Size]byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return sum, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return sum, err
	}
	text = bytes.TrimSpace(text)
	if len(text) < minToken || len(text) > maxToken {
		return sum, fmt.Errorf("the token in %s has %d bytes, from %d to %d are needed: openssl rand -hex 32 makes them", name, len(text), minToken, maxToken)
	}
	return sha256.Sum256(text), nil
}

// is reports whether given is the token. Its time does not depend on how much of given is right: digests are compared,
// and all of their bytes.
func (t *token) is(given string, now time.Time) (bool, error) {
	want, err := t.digest(now)
	if err != nil {
		return false, err
	}
	got := sha256.Sum256([]byte(given))
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1, nil
}
