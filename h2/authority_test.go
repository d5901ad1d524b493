package h2

import "testing"

func TestAuthority(t *testing.T) {
	for _, valid := range []string{"", "a", "a.example:80", "a:", "A-b_c~.example", "127.0.0.1:65535", "x%41%2f:1",
		"[::1]", "[::1]:80", "[1:2:3:4:5:6:7.8.9.10]", "[v1.a:b]", "[Vf.x]:1"} {
		if !validAuthority(valid) {
			t.Errorf("%q is refused", valid)
		}
	}
	for _, invalid := range []string{":", ":80", " ", "a b", "a/", "a?", "a#", "u@a", "a\\", "a:b", "a:+1", "a:1:2", "a:65536", "a:100000000000000000000",
		"a%", "a%2", "a%2g", "\x80", "\"", "[", "]", "[]", "[:]", "[1.2.3.4]", "[::g]", "[::1]a", "[::1", "[::1]]", "a[::1]", "[v.a]", "[v1]", "[v1.]", "[vg.a]", "[v1.a/]"} {
		if validAuthority(invalid) {
			t.Errorf("%q is taken", invalid)
		}
	}
}
