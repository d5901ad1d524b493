package certs

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
)

// nameIndex finds certificates by the name that a client asks for. It is immutable.
type nameIndex struct {
	all    []*tls.Certificate
	byName map[string][]*tls.Certificate // lower case; a wildcard with its "*."
}

func newNameIndex(all []*tls.Certificate) nameIndex {
	x := nameIndex{all: all, byName: make(map[string][]*tls.Certificate)}
	for _, c := range all {
		for _, name := range leafNames(c.Leaf) {
			name = strings.ToLower(name)
			x.byName[name] = append(x.byName[name], c)
		}
	}
	return x
}

// leafNames returns the names by which a certificate is chosen. Its common name counts only if it has no others, since
// clients ignore it.
func leafNames(leaf *x509.Certificate) []string {
	if len(leaf.DNSNames) > 0 || leaf.Subject.CommonName == "" {
		return leaf.DNSNames
	}
	return []string{leaf.Subject.CommonName}
}

// choose returns the certificate for a ClientHello: by its exact name, then by the wildcard one label
// up (RFC 9525 section 6.3: a wildcard stands for one label), then the first of all. Among several,
// the first that suits the client's algorithms.
func (x *nameIndex) choose(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if found := x.byName[name]; len(found) > 0 {
		return suitable(found, hello)
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if found := x.byName["*."+parent]; len(found) > 0 {
			return suitable(found, hello)
		}
	}
	return suitable(x.all, hello)
}

func suitable(candidates []*tls.Certificate, hello *tls.ClientHelloInfo) *tls.Certificate {
	if len(candidates) == 1 {
		return candidates[0]
	}
	// Without the name only the algorithms are compared.
	nameless := *hello
	nameless.ServerName = ""
	for _, c := range candidates {
		if nameless.SupportsCertificate(c) == nil {
			return c
		}
	}
	return candidates[0]
}
