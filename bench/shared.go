package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/bench/rival"
)

// opensslFile is the configuration of OpenSSL for load generators, in the folder that all servers share.
const opensslFile = "openssl.cnf"

const opensslConfiguration = `openssl_conf = openssl
[openssl]
ssl_conf = ssl
[ssl]
system_default = tls
[tls]
Ciphersuites = TLS_AES_128_GCM_SHA256
`

// prepare fills the folder that all servers share: the content of the cases as files, a certificate, and the
// configuration of OpenSSL.
func prepare(dir string, cases []*benchCase) error {
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"hello.txt", "index.html"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(rival.Content), 0o644); err != nil {
			return err
		}
	}
	for _, c := range cases {
		for _, size := range []int{c.file, c.upload} {
			if err := writeContent(filepath.Join(root, fileName(size)), size); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, opensslFile), []byte(opensslConfiguration), 0o644); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "localhost"},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: cert}); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), []byte(text.String()), 0o644); err != nil {
		return err
	}
	text.Reset()
	if err := pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "key.pem"), []byte(text.String()), 0o600)
}

// writeContent writes rival.FileContent of that size, unless the file exists.
func writeContent(path string, size int) error {
	if _, err := os.Stat(path); err == nil || size == 0 {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	chunk := rival.FileContent(1 << 20)
	for left := size; left > 0; left -= len(chunk) {
		if _, err := file.WriteString(chunk[:min(left, len(chunk))]); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	return file.Close()
}
