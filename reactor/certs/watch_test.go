package certs

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// A failed start returns its error and logs nothing.
func TestCertificateStartRefusedInOneSentence(t *testing.T) {
	dir, ca := t.TempDir(), certstest.NewAuthority(t, "ca")
	certificate, key := ca.Issue(t, nil, "x.test")
	block, _ := pem.Decode(key)
	//lint:ignore SA1019 servers that came before took such keys, so users have them
	old, err := x509.EncryptPEMBlock(rand.Reader, "EC PRIVATE KEY", block.Bytes, []byte("secret"), x509.PEMCipherAES256)
	if err != nil {
		t.Fatal(err)
	}
	sealed := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("any")})
	for name, c := range map[string]struct {
		certificate, key []byte
		want             string
	}{
		"empty":            {nil, nil, "certificate " + dir},
		"sealed":           {certificate, sealed, "the key is encrypted"},
		"sealed as of old": {certificate, pem.EncodeToMemory(old), "the key is encrypted"},
	} {
		logged, lines := observer.New(zapcore.InfoLevel)
		s, err := Open(Options{Pairs: []Pair{writePair(t, dir, "x", c.certificate, c.key)}, Logger: zap.New(logged)})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want it to say %q", name, err, c.want)
		}
		if lines.Len() > 0 {
			t.Errorf("%s: logged besides: %v", name, lines.All())
		}
	}
}

// The end of the watching is no event.
func TestCertificatesCloseInSilence(t *testing.T) {
	logged, lines := observer.New(zapcore.WarnLevel)
	for range 100 {
		s, err := Open(Options{SelfSigned: true, Logger: zap.New(logged)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if lines.Len() > 0 {
		t.Errorf("logged: %v", lines.All()[0])
	}
}

// A change is not missed for coming during a load: neither during the first, before there is a watch, nor
// in a directory that the load is the first to read from.
func TestCertificateChangeWhileLoading(t *testing.T) {
	ca := certstest.NewAuthority(t, "ca")
	for directory, during := range map[string]int{"first": 1, "second": 2} {
		t.Run(directory, func(t *testing.T) {
			dir := t.TempDir()
			put := func(in, name string) {
				certificate, key := ca.Issue(t, nil, name)
				writePair(t, filepath.Join(dir, in), "x", certificate, key)
			}
			lead := func(to string) {
				link := filepath.Join(dir, "live")
				if err := errors.Join(os.Symlink(to, link+".new"), os.Rename(link+".new", link)); err != nil {
					t.Fatal(err)
				}
			}
			for _, d := range []string{"first", "second"} {
				if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
					t.Fatal(err)
				}
				put(d, d+".test")
			}
			lead("first")
			loads, last := 0, make(chan struct{})
			logged, _ := observer.New(zapcore.InfoLevel)
			logger := zap.New(logged, zap.Hooks(func(e zapcore.Entry) error {
				if e.Message == "certificate loaded" {
					switch loads++; loads {
					case during:
						put(directory, "renewed.test")
					case during + 1:
						close(last)
					}
				}
				return nil
			}))
			at := filepath.Join(dir, "live", "x")
			s := opened(t, Options{Pairs: []Pair{{Certificate: at + ".pem", Key: at + ".key"}}, Logger: logger})
			if directory != "first" {
				lead(directory)
			}
			<-last
			if got := presented(t, s, &tls.Config{}).Subject.CommonName; got != "renewed.test" {
				t.Errorf("%s is presented, want renewed.test", got)
			}
			s.Close()
		})
	}
}
