package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"os"
	"time"
)

// selfSignedLife is below the limit of browsers, 398 days.
const selfSignedLife = 90 * 24 * time.Hour

// SelfSigned makes a certificate and its key in memory, valid for 90 days: for localhost, this machine's name,
// the loopback addresses and names, which are host names or IP addresses.
func SelfSigned(names ...string) (*tls.Certificate, error) {
	now := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "gatewheel, self-signed"},
		NotBefore:             now.Add(-time.Hour), // clocks differ
		NotAfter:              now.Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	template.DNSNames, template.IPAddresses = splitNames(names)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// splitNames returns the host names and the addresses of a self-signed certificate for names.
func splitNames(names []string) (dns []string, addresses []net.IP) {
	names = append([]string{"localhost", "127.0.0.1", "::1"}, names...)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			addresses = append(addresses, ip)
		} else {
			dns = append(dns, name)
		}
	}
	return dns, addresses
}

// SelfSignedFingerprint returns the SHA-256 of the certificate made in memory, in hexadecimal, for users to compare.
// Empty means that there is none.
func (s *Store) SelfSignedFingerprint() string {
	if s.signed == nil {
		return ""
	}
	sum := sha256.Sum256(s.signed.Certificate[0])
	return hex.EncodeToString(sum[:])
}
