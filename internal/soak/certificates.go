//go:build linux

package soak

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// serverName is the name in certificates, besides 127.0.0.1.
const serverName = "soak.test"

// An authority signs the certificates of both programs.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pool        *x509.CertPool
	serial      int64
	serials     map[string]int64 // in force, by name
	dir         string
}

// newAuthority makes an authority, whose certificate becomes ca.pem.
func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, pool: x509.NewCertPool(), dir: dir, serial: 1, serials: map[string]int64{}}
	template := a.template("authority of the soak")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	if a.certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	a.pool.AddCert(a.certificate)
	return a, replace(a.path("ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (a *authority) template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
	}
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// issue writes a new certificate and its key to name.pem and name.key, and returns the serial number.
func (a *authority) issue(name string) (int64, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	a.serial++
	a.serials[name] = a.serial
	template := a.template(name)
	template.DNSNames, template.IPAddresses = []string{serverName}, []net.IP{net.IPv4(127, 0, 0, 1)}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return 0, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return 0, err
	}
	return a.serial, errors.Join(
		replace(a.path(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
		replace(a.path(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// replace writes a file whole, or leaves the one that was there.
func replace(path string, content []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, content, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// config returns a client's configuration.
func (a *authority) config(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: serverName, NextProtos: protocols, MinVersion: tls.VersionTLS12}
}

// serves returns nil if a new connection to address is shown the certificate with this serial number.
func (a *authority) serves(address string, serial int64) error {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: a.config("http/1.1")}
	c, err := dialer.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	state := c.(*tls.Conn).ConnectionState()
	if got := state.PeerCertificates[0].SerialNumber.Int64(); got != serial {
		return fmt.Errorf("%s shows certificate %d, want %d", address, got, serial)
	}
	return nil
}
