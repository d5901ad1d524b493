package reactor

import (
	"crypto/rand"
	"crypto/tls"
	"sync"
	"time"
)

const (
	// ticketRotation is the age at which a key ceases to seal new session tickets.
	ticketRotation = 12 * time.Hour
	// ticketKeysKept is how many keys open tickets, the sealing one included: a session can be
	// resumed for at least 24 hours and at most 36. A key that leaks endangers what clients of
	// TLS 1.2 resumed meanwhile, so it is forgotten rather than kept for the week that tickets may
	// live (RFC 8446 section 4.6.1).
	ticketKeysKept = 3
)

// ticketKeys are the keys of one config's session tickets, the sealing one first.
type ticketKeys struct {
	mu     sync.Mutex
	config *tls.Config
	keys   [][32]byte
}

func (t *ticketKeys) start(config *tls.Config) error {
	t.config = config
	return t.rotate()
}

// rotate makes a new sealing key and forgets the oldest. Connections notice nothing.
func (t *ticketKeys) rotate() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return err
	}
	keys := append([][32]byte{key}, t.keys...)
	t.keys = keys[:min(len(keys), ticketKeysKept)]
	t.config.SetSessionTicketKeys(t.keys)
	return nil
}

// RotateTicketKeys seals new session tickets with a new key and forgets the oldest of three. It
// happens by itself every twelve hours.
func (s *CertificateStore) RotateTicketKeys() error { return s.tickets.rotate() }
