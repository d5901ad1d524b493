//go:build linux

package reactor

import (
	"crypto/tls"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/reactor/certs"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// openssl starts a client that connects to addr.
func openssl(t *testing.T, addr net.Addr, args ...string) *dialogue {
	t.Helper()
	args = append([]string{"s_client", "-connect", addr.String(), "-servername", "example.test"}, args...)
	return talk(t, exec.Command(toolPath(t, "openssl", "openssl"), args...))
}

func TestOpenSSLProtocols(t *testing.T) {
	store := openStore(t, certs.Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}})
	_, addr := served(t, Config{}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"-tls1_3", "-alpn", "h2,http/1.1"}, `version="TLS 1.3" alpn="h2" sni="example.test"`},
		{[]string{"-tls1_2", "-alpn", "http/1.1"}, `version="TLS 1.2" alpn="http/1.1"`},
		{[]string{"-tls1_2"}, `version="TLS 1.2" alpn=""`},
	} {
		d := openssl(t, addr, c.flags...)
		d.say("GET / HTTP/1.1\r\n\r\n")
		d.want(c.want)
	}
}

func TestOpenSSLRenegotiationRefused(t *testing.T) {
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	d := openssl(t, addr, "-tls1_2")
	d.say("GET / HTTP/1.1\r\n\r\n")
	d.want("peer=")
	d.say("R\n")
	d.want("RENEGOTIATING")
	d.want("alert")
	d.wantEnd()
	if got := settledStats(r).Failures[TLSFailureRecord]; got != 1 {
		t.Errorf("%d counted, want 1: %v", got, r.TLSStats())
	}
}

func TestOpenSSLKeyUpdate(t *testing.T) {
	_, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	d := openssl(t, addr, "-tls1_3")
	d.say("GET /before HTTP/1.1\r\n\r\n")
	d.want("peer=")
	// k updates the client's keys, K asks the server to do the same.
	for i, command := range []string{"k\n", "K\n"} {
		d.say(command)
		d.wantTimes("KEYUPDATE", i+1)
		d.say("GET /after HTTP/1.1\r\n\r\n")
		d.wantTimes("peer=", i+2)
	}
}

func TestOpenSSLCloseNotify(t *testing.T) {
	r, addr := served(t, Config{}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	d := openssl(t, addr)
	d.say("GET / HTTP/1.1\r\n\r\n")
	d.want("peer=")
	d.say("Q\n")
	d.wantEnd()
	if got := settledStats(r).Failures; got != [tlsFailures]uint64{} {
		t.Errorf("failures counted: %v", got)
	}
}

func TestCurl(t *testing.T) {
	ca, dir := certstest.NewAuthority(t, "ca"), t.TempDir()
	ca.Write(t, filepath.Join(dir, "ca.pem"))
	certificate, key := ca.Issue(t, nil, "example.test")
	server := writePair(t, dir, "server", certificate, key)
	certificate, key = ca.Issue(t, nil, "carol")
	client := writePair(t, dir, "client", certificate, key)
	store := openStore(t, certs.Options{
		Pairs: []certs.Pair{server}, Protocols: []string{"http/1.1"},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: []string{filepath.Join(dir, "ca.pem")},
	})
	_, addr := served(t, Config{}, ListenerConfig{TLS: store.Config(), Open: openTeller})
	curl := func(args ...string) string {
		args = append([]string{"--silent", "--show-error", "--max-time", "20", "--cacert", filepath.Join(dir, "ca.pem"),
			"--connect-to", "::" + addr.String()}, args...)
		out, err := exec.Command(toolPath(t, "curl", "curl"), args...).CombinedOutput()
		if err != nil {
			t.Errorf("curl %v: %v: %s", args, err, out)
		}
		return string(out)
	}
	for want, args := range map[string][]string{
		`version="TLS 1.3" alpn="http/1.1" sni="example.test"`: {"https://example.test/"},
		`version="TLS 1.2"`:      {"--tls-max", "1.2", "https://example.test/"},
		`client=carol`:           {"--cert", client.Certificate, "--key", client.Key, "https://example.test/"},
		"This port speaks HTTPS": {"http://example.test/"},
	} {
		if got := curl(args...); !strings.Contains(got, want) {
			t.Errorf("curl %v: %q, want %s in it", args, got, want)
		}
	}
}
