package certs

import (
	"crypto/rand"
	"time"
)

const (
	// ticketRotation is the age at which a key stops encrypting new session tickets.
	ticketRotation = 12 * time.Hour
	// ticketKeysKept is how many keys decrypt tickets, the encrypting one included: a session can be resumed for at
	// least 24 hours and at most 36. A leaked key endangers the sessions that clients of TLS 1.2 resume with it, so keys
	// are dropped long before the week that tickets may live (RFC 8446 section 4.6.1).
	ticketKeysKept = 3
)

// ticketKey is a key of session tickets.
type ticketKey struct {
	Key  [32]byte
	Made time.Time
}

// ticketKeys are the keys of session tickets, the encrypting one first.
type ticketKeys []ticketKey

// renewed returns keys with a new one in front and without the oldest.
func (keys ticketKeys) renewed() (ticketKeys, error) {
	key := ticketKey{Made: time.Now()}
	if _, err := rand.Read(key.Key[:]); err != nil {
		return nil, err
	}
	more := append(ticketKeys{key}, keys...)
	return more[:min(len(more), ticketKeysKept)], nil
}

// due returns the time until the encrypting key is to be replaced, ticketRotation at most.
func (keys ticketKeys) due(now time.Time) time.Duration {
	return min(keys[0].Made.Add(ticketRotation).Sub(now), ticketRotation)
}

// bytes returns the keys as crypto/tls takes them.
func (keys ticketKeys) bytes() [][32]byte {
	var all [][32]byte
	for _, key := range keys {
		all = append(all, key.Key)
	}
	return all
}

// RotateTicketKeys adds a new key, which encrypts session tickets from now on, and drops the oldest of three. It happens
// by itself every twelve hours. It does not wait for a file that Reload reads.
func (s *Store) RotateTicketKeys() error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	keys, err := s.tickets.renewed()
	if err != nil {
		return err
	}
	s.tickets = keys
	last := s.current.Load()
	s.replace(last.index, last.config.ClientCAs)
	return nil
}
