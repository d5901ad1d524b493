package certs

import (
	"crypto/tls"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// secretsOf returns the secrets of s as a new process gets them.
func secretsOf(t *testing.T, s *Store) []byte {
	t.Helper()
	all, err := s.Secrets()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func selfSignedStore(t *testing.T, secrets []byte, names ...string) *Store {
	t.Helper()
	s, err := Open(Options{SelfSigned: true, SelfSignedNames: names, Secrets: secrets, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Sessions of one store are resumed by the next one, in both versions, and the one after it.
func TestSecretsResumeSessions(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			client := &tls.Config{
				InsecureSkipVerify: true, ServerName: "localhost", MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1),
			}
			store := selfSignedStore(t, nil)
			if agreed(t, store.Config(), client).DidResume {
				t.Error("the first session is a resumed one")
			}
			for range 2 {
				next := selfSignedStore(t, secretsOf(t, store))
				if next.SelfSignedFingerprint() != store.SelfSignedFingerprint() {
					t.Error("the certificate has changed")
				}
				store = next
				if err := store.RotateTicketKeys(); err != nil {
					t.Fatal(err)
				}
				if !agreed(t, store.Config(), client).DidResume {
					t.Error("the next store does not resume the session")
				}
			}
		})
	}
}

// Keys are as old in the next store as they are in the first, so that stores that follow each other rotate like a single
// one.
func TestSecretsKeepTheRotation(t *testing.T) {
	store := selfSignedStore(t, nil)
	for _, c := range []struct {
		age     time.Duration
		rotated bool
		due     time.Duration
	}{
		{ticketRotation / 3, false, ticketRotation * 2 / 3},
		{ticketRotation, true, ticketRotation},
		{-ticketRotation, false, ticketRotation}, // the clock was set back
	} {
		store.tickets[0].Made = time.Now().Add(-c.age)
		next := selfSignedStore(t, secretsOf(t, store))
		if rotated := next.tickets[0].Key != store.tickets[0].Key; rotated != c.rotated {
			t.Errorf("a key of %v: rotated %v", c.age, rotated)
		}
		if due := next.tickets.due(time.Now()); due > c.due || due < c.due-time.Minute {
			t.Errorf("a key of %v is replaced in %v, want %v", c.age, due, c.due)
		}
	}
}

// A self-signed certificate is replaced if it ends soon, or has other names.
func TestSecretsWithAnotherCertificate(t *testing.T) {
	store := selfSignedStore(t, nil, "a.test")
	if next := selfSignedStore(t, secretsOf(t, store), "a.test"); next.SelfSignedFingerprint() != store.SelfSignedFingerprint() {
		t.Error("the certificate has changed for the same names")
	}
	if next := selfSignedStore(t, secretsOf(t, store), "b.test"); next.SelfSignedFingerprint() == store.SelfSignedFingerprint() {
		t.Error("the certificate has stayed for other names")
	}
	late := &Store{options: Options{SelfSigned: true, SelfSignedNames: []string{"a.test"}, Secrets: secretsOf(t, store)}}
	if err := late.inherit(store.signed.Leaf.NotAfter.Add(-time.Hour)); err != nil || late.signed != nil {
		t.Errorf("a certificate in its last hour is taken over: %v", err)
	}
	for _, damaged := range []string{"", "{", `{"Certificate":"AAAA"}`} {
		if s, err := Open(Options{SelfSigned: true, Secrets: []byte(damaged), Logger: zap.NewNop()}); err == nil {
			s.Close()
			t.Errorf("the secrets %q are taken", damaged)
		}
	}
}

// A file that blocks keeps neither the secrets from the next process nor the ticket keys from their rotation. The lock of
// a load stands for it.
func TestSecretsWithAFileThatBlocks(t *testing.T) {
	certificate, key := certstest.NewAuthority(t, "ca").Issue(t, nil, "a.test")
	store := opened(t, Options{Pairs: []Pair{writePair(t, t.TempDir(), "a", certificate, key)}})
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	agreed(t, store.Config(), client)
	before := secretsOf(t, store)
	store.loading.Lock()
	defer store.loading.Unlock()
	if err := store.RotateTicketKeys(); err != nil {
		t.Fatal(err)
	}
	if string(secretsOf(t, store)) == string(before) {
		t.Error("the keys were not rotated")
	}
	if !agreed(t, store.Config(), client).DidResume {
		t.Error("the session is not resumed after the rotation")
	}
}
