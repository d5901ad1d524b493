package octets

import (
	"net/netip"
	"strings"
	"testing"
	"unsafe"
)

var hosts = []struct{ authority, host string }{
	{"a", "a"},
	{"a.example", "a.example"},
	{"A.Example", "a.example"},
	{"a.example.", "a.example"},
	{"A.EXAMPLE.:8080", "a.example"},
	{"a.example:", "a.example"},
	{"a.example:80", "a.example"},
	{"a.example:65535", "a.example"},
	{"a.example:00000080", "a.example"},
	{"xn--bcher-kva.example", "xn--bcher-kva.example"},
	{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
	{"127.0.0.1:80", "127.0.0.1"},
	{"127.0.0.1.", "127.0.0.1"},
	{"%61.e%78ample", "a.example"},
	{"%41.example%2e", "a.example"},
	{"b%c3%bcch.example", "b%C3%BCch.example"},
	{"a%2Fb", "a%2Fb"},
	{"a_b~c!$&'()*+,;=d", "a_b~c!$&'()*+,;=d"},
	{"[::1]", "[::1]"},
	{"[::1]:443", "[::1]"},
	{"[::1]:", "[::1]"},
	{"[0:0:0:0:0:0:0:1]", "[::1]"},
	{"[0000::0001]:80", "[::1]"},
	{"[2001:DB8::A]", "[2001:db8::a]"},
	{"[1:2:3:4:5:6:7.8.9.10]", "[1:2:3:4:5:6:708:90a]"},
	{"[::FFFF:1.2.3.4]", "[::ffff:1.2.3.4]"},
	{"[::ffff:102:304]", "[::ffff:1.2.3.4]"},
	{"::1", "[::1]"},
	{"2001:DB8:0::A", "[2001:db8::a]"},
	{"[V1.A:b]", "[v1.a:b]"},

	{"", ""},
	{":", ""},
	{":80", ""},
	{".", ""},
	{"..", ""},
	{"a..", ""},
	{"a%2e.", ""},
	{"%2e", ""},
	{" a", ""},
	{"a ", ""},
	{"a b", ""},
	{"a/", ""},
	{"a?", ""},
	{"a#", ""},
	{"a\\b", ""},
	{"u@a", ""},
	{"a:b", ""},
	{"a:+1", ""},
	{"a:1:2", ""},
	{"a:65536", ""},
	{"a:18446744073709551696", ""},
	{"a%", ""},
	{"a%2", ""},
	{"a%2g", ""},
	{"b\u00fccher.example", ""},
	{"\x80", ""},
	{"\"", ""},
	{"[", ""},
	{"]", ""},
	{"[]", ""},
	{"[:]", ""},
	{"[1.2.3.4]", ""},
	{"[::g]", ""},
	{"[::1", ""},
	{"[::1]]", ""},
	{"[::1]a", ""},
	{"a[::1]", ""},
	{"[1:2:3]", ""},
	{"[::1::]", ""},
	{"[1:2:3:4:5:6:7:8:9]", ""},
	{"[fe80::1%25eth0]", ""},
	{"[fe80::1%eth0]", ""},
	{"fe80::1%eth0", ""},
	{"[v.a]", ""},
	{"[v1]", ""},
	{"[v1.]", ""},
	{"[vg.a]", ""},
	{"[v1.a/]", ""},
}

func TestHost(t *testing.T) {
	for _, c := range hosts {
		if got := Host(c.authority); got != c.host {
			t.Errorf("Host(%q) = %q, want %q", c.authority, got, c.host)
		}
	}
}

func TestAuthorityIsValid(t *testing.T) {
	for _, c := range hosts {
		want := c.host != ""
		switch c.authority {
		case "", "a%2e.", "%2e": // valid syntax that names no host
			want = true
		case "::1", "2001:DB8:0::A": // a host without brackets is no authority
			want = false
		}
		if got := ValidAuthority(c.authority); got != want {
			t.Errorf("ValidAuthority(%q) = %v", c.authority, got)
		}
		if _, _, ok := SplitAuthority(c.authority); ok != want {
			t.Errorf("SplitAuthority(%q): %v", c.authority, ok)
		}
	}
}

func TestAuthority(t *testing.T) {
	for _, c := range []struct{ scheme, authority, want string }{
		{"http", "a", "a"},
		{"http", "a:", "a"},
		{"http", "A.:80", "a"},
		{"HTTP", "a:0080", "a"},
		{"ws", "a:80", "a"},
		{"http", "a:443", "a:443"},
		{"https", "a:443", "a"},
		{"wss", "a:443", "a"},
		{"https", "A:80", "a:80"},
		{"https", "a:08080", "a:8080"},
		{"https", "[0::1]:443", "[::1]"},
		{"https", "[0::1]:8443", "[::1]:8443"},
		{"ftp", "a:80", "a:80"},
		{"", "a:80", "a:80"},
		{"http", "", ""},
		{"http", "a:b", ""},
		{"http", ":80", ""},
	} {
		if got := Authority(c.scheme, c.authority); got != c.want {
			t.Errorf("Authority(%q, %q) = %q, want %q", c.scheme, c.authority, got, c.want)
		}
	}
}

func TestSameAuthority(t *testing.T) {
	for _, c := range []struct {
		scheme, a, b string
		want         bool
	}{
		{"http", "a", "a", true},
		{"http", "a", "A.:80", true},
		{"https", "a", "a:443", true},
		{"https", "a", "a:80", false},
		{"http", "[::1]:80", "[0:0::1]", true},
		{"http", "a", "b", false},
		{"http", "", "", false},
		{"http", "a b", "a b", false},
		{"http", "a b", "c d", false},
	} {
		if got := SameAuthority(c.scheme, c.a, c.b); got != c.want {
			t.Errorf("SameAuthority(%q, %q, %q) = %v", c.scheme, c.a, c.b, got)
		}
	}
}

func TestHostInNormalFormDoesNotAllocate(t *testing.T) {
	for _, authority := range []string{"www.example.com", "www.example.com:8443", "127.0.0.1:8080", "[2001:db8::1]:443", "[::ffff:1.2.3.4]", "a%2Fb"} {
		same := true
		if n := testing.AllocsPerRun(100, func() {
			host := Host(authority)
			same = same && unsafe.StringData(host) == unsafe.StringData(authority)
			same = same && SameAuthority("https", authority, authority) && ValidAuthority(authority)
			host = Authority("", authority)
			same = same && unsafe.StringData(host) == unsafe.StringData(authority)
		}); n > 0 || !same {
			t.Errorf("%s: %v allocations, part of the same memory: %v", authority, n, same)
		}
	}
}

// FuzzHost: a normal form is valid, its own normal form, and what other readers
// take for the same host.
func FuzzHost(f *testing.F) {
	for _, c := range hosts {
		f.Add(c.authority)
	}
	f.Fuzz(func(t *testing.T, authority string) {
		host := Host(authority)
		if host == "" {
			return
		}
		if again := Host(host); again != host {
			t.Fatalf("%q became %q, and that %q", authority, host, again)
		}
		if !ValidAuthority(host) {
			t.Fatalf("%q became %q, which is invalid", authority, host)
		}
		if Authority("https", authority) == "" {
			t.Fatalf("%q has the host %q and is no authority", authority, host)
		}
		if again := Authority("https", Authority("https", authority)); again != Authority("https", authority) {
			t.Fatalf("%q became %q, and that %q", authority, Authority("https", authority), again)
		}
		for _, other := range []string{host + ":", host + ":8080", strings.ToUpper(host), host + "."} {
			if strings.ContainsAny(other, "%") || host[0] == '[' && strings.HasSuffix(other, ".") {
				continue
			}
			if Host(other) != host {
				t.Fatalf("%q is %q, but %q is %q", authority, host, other, Host(other))
			}
		}
		if host[0] == '[' && host[1] != 'v' {
			a, err := netip.ParseAddr(host[1 : len(host)-1])
			if err != nil || "["+a.String()+"]" != host {
				t.Fatalf("%q became %q: %v", authority, host, err)
			}
		}
	})
}

func BenchmarkHost(b *testing.B) {
	for _, authority := range []string{"www.example.com:8443", "WWW.example.com.", "[2001:db8::1]:443"} {
		b.Run(authority, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Host(authority)
			}
		})
	}
}
