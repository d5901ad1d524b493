package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
)

// loadedPair is a pair of files and the last good certificate in them.
type loadedPair struct {
	files   Pair
	content []byte // both files, to see whether anything changed
	good    *tls.Certificate
}

// authorities are PEM files with certificates that others are verified against.
type authorities struct {
	content []byte
	good    *x509.CertPool
}

// announce logs that the pair was loaded.
func (p *loadedPair) announce(logger *zap.Logger) {
	leaf := p.good.Leaf
	logger.Info("certificate loaded", zap.String("file", p.files.Certificate),
		zap.Strings("names", leafNames(leaf)), zap.Time("expires", leaf.NotAfter))
	warnOfExpiry(logger, p.good, time.Now())
}

// expirySoon is how long before its end a certificate is reported, or a sixth of its life where that is less:
// renewals that work come earlier.
const expirySoon = 7 * 24 * time.Hour

// warnOfExpiry logs a certificate that has expired, soon will, or is not valid yet.
func warnOfExpiry(logger *zap.Logger, certificate *tls.Certificate, now time.Time) {
	leaf, says := certificate.Leaf, "certificate expires soon"
	switch left := leaf.NotAfter.Sub(now); {
	case now.Before(leaf.NotBefore):
		logger.Warn("certificate is not valid yet", zap.Strings("names", leafNames(leaf)), zap.Time("begins", leaf.NotBefore))
		return
	case left > min(expirySoon, leaf.NotAfter.Sub(leaf.NotBefore)/6):
		return
	case left < 0:
		says = "certificate has expired"
	}
	logger.Warn(says, zap.Strings("names", leafNames(leaf)), zap.Time("expires", leaf.NotAfter))
}

// load reads the pair and reports whether it differs from the one in use.
func (p *loadedPair) load() (fresh bool, err error) {
	certificate, err := os.ReadFile(p.files.Certificate)
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(p.files.Key)
	if err != nil {
		return false, err
	}
	content := slices.Concat(certificate, key)
	if p.good != nil && bytes.Equal(content, p.content) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil && encrypted(key) {
		err = errors.New("the key is encrypted, and there is nobody to ask for its passphrase")
	}
	if err != nil {
		return false, fmt.Errorf("certificate %s with key %s: %w", p.files.Certificate, p.files.Key, err)
	}
	p.content, p.good = content, &pair
	return true, nil
}

// encrypted reports whether a PEM file has a key with a passphrase, in the form of PKCS #8 or of RFC 1421.
func encrypted(file []byte) bool {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return true
		}
	}
	return false
}

// load reads the authorities and reports whether they differ from those in use. what names them in errors.
func (c *authorities) load(what string, files []string) (fresh bool, err error) {
	var content []byte
	pool := x509.NewCertPool()
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			return false, err
		}
		if !pool.AppendCertsFromPEM(pem) {
			return false, fmt.Errorf("%s %s: no certificate in it", what, file)
		}
		content = append(content, pem...)
	}
	if len(files) == 0 || bytes.Equal(content, c.content) {
		return false, nil
	}
	c.content, c.good = content, pool
	return true, nil
}
