package reactor

import (
	"testing"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/certs"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// writePair writes a pair into dir and names its files.
func writePair(t testing.TB, dir, name string, certificate, key []byte) certs.Pair {
	t.Helper()
	certificateFile, keyFile := certstest.WritePair(t, dir, name, certificate, key)
	return certs.Pair{Certificate: certificateFile, Key: keyFile}
}

// openStore opens a certificate store for the length of the test.
func openStore(t testing.TB, options certs.Options) *certs.Store {
	t.Helper()
	if options.Logger == nil {
		options.Logger = zap.NewNop()
	}
	s, err := certs.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
