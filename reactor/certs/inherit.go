package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// secrets are what a Store has made itself, and what is not in its files.
type secrets struct {
	Tickets     ticketKeys
	Certificate []byte `json:",omitempty"` // the self-signed one
	Key         []byte `json:",omitempty"` // of Certificate, in PKCS #8
}

// Secrets returns the keys of session tickets and the self-signed certificate with its key, for Options.Secrets of a Store
// in the process that replaces this one. It must be kept as secret as a private key.
// Secrets does not wait for a file that Reload reads.
func (s *Store) Secrets() ([]byte, error) {
	s.publishing.Lock()
	all := secrets{Tickets: s.tickets}
	s.publishing.Unlock()
	if s.signed != nil {
		key, err := x509.MarshalPKCS8PrivateKey(s.signed.PrivateKey)
		if err != nil {
			return nil, err
		}
		all.Certificate, all.Key = s.signed.Certificate[0], key
	}
	return json.Marshal(all)
}

// inherit takes over what Options.Secrets has.
func (s *Store) inherit(now time.Time) error {
	if s.options.Secrets == nil {
		return nil
	}
	var all secrets
	if err := json.Unmarshal(s.options.Secrets, &all); err != nil {
		return fmt.Errorf("the secrets of another store: %w", err)
	}
	s.tickets = all.Tickets[:min(len(all.Tickets), ticketKeysKept)]
	if !s.options.SelfSigned || all.Certificate == nil {
		return nil
	}
	leaf, err := x509.ParseCertificate(all.Certificate)
	if err != nil {
		return fmt.Errorf("the certificate of another store: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(all.Key)
	if err != nil {
		return fmt.Errorf("the key of another store: %w", err)
	}
	if slices.Equal(certificateNames(leaf), s.selfSignedNames()) && leaf.NotAfter.Sub(now) > expirySoon {
		s.signed = &tls.Certificate{Certificate: [][]byte{all.Certificate}, PrivateKey: key, Leaf: leaf}
	}
	return nil
}

// selfSignedNames returns the names of a certificate that SelfSigned would make, sorted.
func (s *Store) selfSignedNames() []string {
	dns, addresses := splitNames(s.options.SelfSignedNames)
	return certificateNames(&x509.Certificate{DNSNames: dns, IPAddresses: addresses})
}

// certificateNames returns the names and addresses of a certificate, sorted.
func certificateNames(leaf *x509.Certificate) []string {
	names := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	slices.Sort(names)
	return names
}
