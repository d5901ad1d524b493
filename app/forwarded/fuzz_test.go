package forwarded

import (
	"net/netip"
	"strings"
	"testing"
)

func FuzzForwarded(f *testing.F) {
	for _, field := range []string{`for=1.2.3.4;proto=https, for="[::1]:80"`, `for="a\"b"`, "for=_x;;", "host=a", ",", `for="`} {
		f.Add(field)
	}
	trust := TrustNetworks(netip.MustParsePrefix("0.0.0.0/0"))
	f.Fuzz(func(t *testing.T, field string) {
		peer := Client{netip.MustParseAddrPort("10.0.0.1:1"), "http", "own"}
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			c := trust.Client(peer, []Field{{Name: name, Value: field}, {Name: "X-Forwarded-For", Value: "1.1.1.1"}})
			if !c.Addr.IsValid() || c.Scheme != "http" && c.Scheme != "https" || strings.ContainsAny(c.Host, " \r\n/\"<>") {
				t.Fatalf("%s: %q: %+v", name, field, c)
			}
		}
	})
}
