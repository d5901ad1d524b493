package accept_test

import (
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app/internal/accept"
)

func TestCoding(t *testing.T) {
	offered := []string{"br", "zstd", "gzip"}
	for list, want := range map[string]string{
		"":                               "",
		"gzip":                           "gzip",
		"gzip, br":                       "br",
		"gzip, zstd":                     "zstd",
		"GZIP":                           "gzip",
		"x-gzip":                         "gzip",
		"*":                              "br",
		"br;q=0.5, gzip;q=0.8":           "gzip",
		"br;q=0.5, gzip;q=0.5":           "br",
		"br;q=0, *":                      "zstd",
		"br;q=0":                         "",
		"*;q=0":                          "",
		"identity":                       "",
		"identity, gzip;q=0.9":           "",
		"identity;q=0.5, gzip;q=0.9":     "gzip",
		"identity;q=0.5, *;q=0.1":        "",
		"deflate":                        "",
		"gzip;q=2":                       "",
		"gzip;q=x":                       "",
		"gzip;q=NaN":                     "",
		"gzip;q=-1":                      "",
		"gzip ; a=b ; Q = 0.3":           "gzip",
		",,gzip,":                        "gzip",
		"gzip;q=0, gzip;q=1":             "gzip",
		strings.Repeat("x,", 1e4) + "br": "br",
	} {
		if got := accept.Coding(list, offered...); got != want {
			t.Errorf("%.40s: got %q, want %q", list, got, want)
		}
	}
	if got := accept.Coding("gzip, br"); got != "" {
		t.Errorf("of nothing: %q", got)
	}
	if n := testing.AllocsPerRun(100, func() { accept.Coding("gzip, deflate, br;q=0.9, zstd", "br", "gzip") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNames(t *testing.T) {
	for list, want := range map[string]bool{
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"TEXT/HTML;charset=x":     true,
		"":                        false,
		"*/*":                     false,
		"text/*":                  false,
		"application/json":        false,
		"text/html;q=0":           false,
		"application/json, */*":   false,
		"image/avif, text/html;q": true,
	} {
		if got := accept.Names(list, "text/html"); got != want {
			t.Errorf("%s: %v", list, got)
		}
	}
}

func FuzzCoding(f *testing.F) {
	f.Add("gzip;q=0.5, *")
	f.Fuzz(func(t *testing.T, list string) {
		got := accept.Coding(list, "br", "gzip")
		if got != "" && !strings.Contains(list, "*") && !strings.Contains(strings.ToLower(list), got) {
			t.Errorf("%q: %s", list, got)
		}
	})
}
