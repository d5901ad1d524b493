package app

import (
	"net/netip"
	"strings"
	"testing"
)

func FuzzRange(f *testing.F) {
	for _, field := range []string{"bytes=0-1", "bytes=-5,1-2", "bytes=5-", "lines=1", "bytes=9223372036854775807-", "bytes=0-0,,"} {
		f.Add(field, int64(10))
	}
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 0 {
			return
		}
		spans, err := parseRange(field, size)
		total := int64(0)
		for _, s := range spans {
			if err != nil || s.start < 0 || s.length <= 0 || s.start > size-s.length {
				t.Fatalf("%q of %d: %v, %v", field, size, spans, err)
			}
			total += s.length
		}
		if total > size {
			t.Fatalf("%q of %d: %d bytes in all", field, size, total)
		}
	})
}

func FuzzForwarded(f *testing.F) {
	for _, field := range []string{`for=1.2.3.4;proto=https, for="[::1]:80"`, `for="a\"b"`, "for=_x;;", "host=a", ",", `for="`} {
		f.Add(field)
	}
	trust := TrustProxies(netip.MustParsePrefix("0.0.0.0/0"))
	f.Fuzz(func(t *testing.T, field string) {
		peer := Client{netip.MustParseAddrPort("10.0.0.1:1"), "http", "own"}
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			c := trust.Client(peer, Fields{{Name: name, Value: field}, {Name: "X-Forwarded-For", Value: "1.1.1.1"}})
			if !c.Addr.IsValid() || c.Scheme != "http" && c.Scheme != "https" || strings.ContainsAny(c.Host, " \r\n/\"<>") {
				t.Fatalf("%s: %q: %+v", name, field, c)
			}
		}
	})
}

func FuzzEntityTags(f *testing.F) {
	f.Add(`"a", W/"b"`)
	f.Add(`*`)
	f.Fuzz(func(t *testing.T, list string) {
		if matchesAny(list, `"x"`, weakMatch) && !strings.Contains(list, `"x"`) && !strings.Contains(list, "*") {
			t.Fatalf("%q", list)
		}
	})
}
