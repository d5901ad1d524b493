package certs

import (
	"crypto/tls"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

func TestOptionsRefused(t *testing.T) {
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	certificate, key := ca.Issue(t, nil, "x.test")
	good := []Pair{writePair(t, dir, "x", certificate, key)}
	for want, options := range map[string]Options{
		"needs a certificate":  {},
		"no such file":         {Pairs: []Pair{{Certificate: dir + "/none", Key: dir + "/none"}}},
		"with key":             {Pairs: []Pair{{Certificate: good[0].Certificate, Key: good[0].Certificate}}},
		"cannot be the oldest": {Pairs: good, MinVersion: tls.VersionTLS11},
		"need an authority":    {Pairs: good, ClientAuth: tls.RequireAndVerifyClientCert},
		"nobody verified":      {Pairs: good, ClientAuth: tls.RequireAnyClientCert},
		"of no use":            {Pairs: good, ClientCAs: []string{good[0].Certificate}},
		"no certificate in it": {Pairs: good, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: []string{good[0].Key}},
	} {
		options.Logger = zap.NewNop()
		s, err := Open(options)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestParseOptions(t *testing.T) {
	for text, want := range map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13, "1.1": 0, "": 0, "13": 0} {
		if got, err := ParseVersion(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("version %q: %x, %v", text, got, err)
		}
	}
	for text, want := range map[string]tls.ClientAuthType{"none": tls.NoClientCert, "request": tls.VerifyClientCertIfGiven, "require": tls.RequireAndVerifyClientCert} {
		if got, err := ParseClientAuth(text); got != want || err != nil {
			t.Errorf("client authentication %q: %v, %v", text, got, err)
		}
	}
	if _, err := ParseClientAuth("maybe"); err == nil {
		t.Error("an unknown client authentication was taken")
	}
}
