//go:build linux

package reactor

import (
	"os"
	"strings"
	"testing"
)

func TestListenAddresses(t *testing.T) {
	for text, want := range map[string]ListenerConfig{
		"127.0.0.1:8080":         {Network: "tcp4", Address: "127.0.0.1:8080"},
		"0.0.0.0:80":             {Network: "tcp4", Address: "0.0.0.0:80"},
		":8080":                  {Network: "tcp", Address: ":8080"},
		"[::1]:0":                {Network: "tcp", Address: "[::1]:0"},
		"[fe80::1%lo]:80":        {Network: "tcp", Address: "[fe80::1%lo]:80"},
		"localhost:8443":         {Network: "tcp", Address: "localhost:8443"},
		"unix:/run/x.sock":       {Network: "unix", Address: "/run/x.sock"},
		"unix:relative/x:y.sock": {Network: "unix", Address: "relative/x:y.sock"},
		"unix:@abstract":         {Network: "unix", Address: "@abstract"},
	} {
		got, err := ParseListenAddress(text)
		if err != nil || len(got) != 1 {
			t.Errorf("%q: %v, %v", text, got, err)
			continue
		}
		if got[0].Network != want.Network || got[0].Address != want.Address {
			t.Errorf("%q: listens on %s %s, want %s %s", text, got[0].Network, got[0].Address, want.Network, want.Address)
		}
	}
}

func TestWrongListenAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "is empty",
		"http://localhost:80":               "has a scheme",
		"8080":                              "is only a port: write :8080",
		"localhost":                         "has no port: write localhost:8080",
		"::1":                               "has no port: write [::1]:8080",
		"[::1]":                             "has no port: write [::1]:8080",
		"::1:8080:x":                        "without brackets",
		"::1:8080":                          "without brackets: write [::1]:8080",
		"2001:db8::5:80":                    "without brackets: write [2001:db8::5]:80",
		"/run/x.sock":                       "is a path: write unix:/run/x.sock",
		"./x.sock":                          "is a path: write unix:./x.sock",
		"@name":                             "is a path: write unix:@name",
		"*:80":                              "for all addresses write :80",
		"localhost:http":                    `has port "http"`,
		"localhost:65536":                   `has port "65536"`,
		"localhost:-1":                      `has port "-1"`,
		"localhost:":                        `has port ""`,
		"local host:80":                     `has host "local host"`,
		"unix:":                             "has no path",
		"unix:@":                            "has no path",
		"unix:/" + strings.Repeat("x", 107): "108 bytes long",
		"fd:":                               "has no descriptor number",
		"fd:x":                              "has no descriptor number",
		"fd:-3":                             "has no descriptor number",
		"fd:2":                              "is a standard stream",
		"fd:1048575":                        "is not open",
		"fd:4294967296":                     "has no descriptor number",
		"systemd":                           "systemd has passed no socket",
		"systemd:":                          "names no socket",
		"systemd:public":                    "systemd has passed no socket",
	} {
		got, err := ParseListenAddress(text)
		if err == nil {
			t.Errorf("%q: taken as %v", text, got)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want it to say %q", text, err, want)
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: more than a sentence: %v", text, err)
		}
	}
}

func TestSocketModes(t *testing.T) {
	for text, want := range map[string]os.FileMode{"660": 0o660, "0600": 0o600, "777": 0o777, "0": 0, "888": 0, "1777": 0, "rw": 0, "": 0} {
		if got, err := ParseSocketMode(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %o, %v, want %o", text, got, err, want)
		}
	}
}
