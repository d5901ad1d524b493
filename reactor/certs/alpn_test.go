package certs

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestALPN(t *testing.T) {
	s := opened(t, Options{SelfSigned: true, Protocols: []string{"h2", "http/1.1"}})
	for _, c := range []struct {
		offered []string
		want    string
	}{
		{[]string{"h2", "http/1.1"}, "h2"},
		{[]string{"http/1.1", "h2"}, "h2"}, // the server prefers
		{[]string{"http/1.1"}, "http/1.1"},
		{nil, ""},
		{[]string{"spdy/3", "http/1.1"}, "http/1.1"},
	} {
		state := agreed(t, s.Config(), &tls.Config{InsecureSkipVerify: true, NextProtos: c.offered})
		if got := state.NegotiatedProtocol; got != c.want {
			t.Errorf("offered %v: agreed on %q, want %q", c.offered, got, c.want)
		}
	}
	refusesStrangers(t, s.Config())
}

// refusesStrangers wants clients of other protocols to get the alert no_application_protocol.
func refusesStrangers(t *testing.T, config *tls.Config) {
	t.Helper()
	for _, offered := range [][]string{{"imap"}, {"spdy/3", "ftp"}} {
		_, err := handshake(t, config, &tls.Config{InsecureSkipVerify: true, NextProtos: offered})
		if err == nil || !strings.Contains(err.Error(), "remote error: tls: no application protocol") {
			t.Errorf("offered %v: %v, want the alert no_application_protocol", offered, err)
		}
	}
}

func TestWithProtocols(t *testing.T) {
	served := []string{"h2", "http/1.1"}
	own, err := SelfSigned()
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]*tls.Config{
		"of a user's own":    WithProtocols(&tls.Config{Certificates: []tls.Certificate{*own}}, served...),
		"of a store":         WithProtocols(opened(t, Options{SelfSigned: true}).Config(), served...),
		"of a store's own":   opened(t, Options{SelfSigned: true, Protocols: served}).Config(),
		"that is left alone": WithProtocols(opened(t, Options{SelfSigned: true, Protocols: served}).Config(), "none"),
	} {
		for offered, want := range map[string]string{"h2": "h2", "http/1.1": "http/1.1", "": ""} {
			client := &tls.Config{InsecureSkipVerify: true}
			if offered != "" {
				client.NextProtos = []string{offered}
			}
			state := agreed(t, config, client)
			if got := state.NegotiatedProtocol; got != want {
				t.Errorf("config %s, offered %s: agreed on %q, want %q", name, offered, got, want)
			}
		}
		refusesStrangers(t, config)
	}
}
