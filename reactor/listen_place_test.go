package reactor

import (
	"strings"
	"testing"
)

func parsed(t *testing.T, addresses ...string) (all []ListenerConfig) {
	t.Helper()
	for _, text := range addresses {
		configs, err := ParseListenAddress(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, configs...)
	}
	return all
}

// Addresses that two listeners can have at the same time are accepted.
func TestListenersApart(t *testing.T) {
	for _, pair := range [][2]string{
		{":0", ":0"},
		{":0", "127.0.0.1:0"},
		{":80", ":81"},
		{"127.0.0.1:80", "127.0.0.2:80"},
		{"127.0.0.1:80", "[::1]:80"},
		{"0.0.0.0:80", "[::1]:80"},
		{"unix:a.sock", "unix:b.sock"},
		{"unix:name", "unix:@name"},
		{"unix:a.sock", ":80"},
	} {
		if err := CheckListeners(parsed(t, pair[:]...)); err != nil {
			t.Errorf("%q: %v", pair, err)
		}
	}
}

func TestListenersOnOneAddress(t *testing.T) {
	for _, c := range []struct{ one, other, want string }{
		{"127.0.0.1:80", "127.0.0.1:080", `"127.0.0.1:080" is given twice`},
		{"localhost:80", "localhost:80", `"localhost:80" is given twice`},
		{"unix:a.sock", "unix:./a.sock", `"unix:./a.sock" is given twice`},
		{"unix:@name", "unix:@name", `"unix:@name" is given twice`},
		{":80", "[::]:80", `"[::]:80" is given twice`},
		{":80", "127.0.0.1:80", `"127.0.0.1:80" is one of ":80", which is given too`},
		{"127.0.0.1:80", "0.0.0.0:80", `"127.0.0.1:80" is one of "0.0.0.0:80", which is given too`},
	} {
		if err := CheckListeners(parsed(t, c.one, c.other)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s and %s: %v, want %s", c.one, c.other, err, c.want)
		}
	}
}
