package certs

import (
	"crypto/rand"
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

// ticketKeys are the keys of session tickets, the sealing one first.
type ticketKeys [][32]byte

// renewed is keys with a new sealing key and without the oldest.
func (keys ticketKeys) renewed() (ticketKeys, error) {
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	more := append(ticketKeys{key}, keys...)
	return more[:min(len(more), ticketKeysKept)], nil
}

// RotateTicketKeys seals new session tickets with a new key and forgets the oldest of three. It
// happens by itself every twelve hours. Connections notice nothing.
func (s *Store) RotateTicketKeys() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	keys, err := s.tickets.renewed()
	if err != nil {
		return err
	}
	s.tickets = keys
	s.publish()
	return nil
}
