package certs

import (
	"crypto/tls"
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
		{[]string{"spdy/3"}, ""}, // neither: served without
		{[]string{"spdy/3", "http/1.1"}, "http/1.1"},
	} {
		state := agreed(t, s.Config(), &tls.Config{InsecureSkipVerify: true, NextProtos: c.offered})
		if got := state.NegotiatedProtocol; got != c.want {
			t.Errorf("offered %v: agreed on %q, want %q", c.offered, got, c.want)
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
		for offered, want := range map[string]string{"h2": "h2", "http/1.1": "http/1.1", "imap": ""} {
			state := agreed(t, config, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{offered}})
			if got := state.NegotiatedProtocol; got != want {
				t.Errorf("config %s, offered %s: agreed on %q, want %q", name, offered, got, want)
			}
		}
	}
}
