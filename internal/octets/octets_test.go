package octets

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestClasses(t *testing.T) {
	letters := "abcdefghijklmnopqrstuvwxyz"
	digits := "0123456789"
	alphanumeric := letters + strings.ToUpper(letters) + digits
	var visible, text string
	for b := 0; b < 256; b++ {
		if b > ' ' && b < 0x7f {
			visible += string([]byte{byte(b)})
		}
		if b >= ' ' && b != 0x7f || b == '\t' {
			text += string([]byte{byte(b)})
		}
	}
	for class, octets := range map[Class]string{
		Token:   alphanumeric + "!#$%&'*+-.^_`|~",
		Lower:   letters + digits + "!#$%&'*+-.^_`|~",
		Text:    text,
		Target:  strings.ReplaceAll(visible, "#", ""),
		RegName: alphanumeric + "-._~!$&'()*+,;=",
		Scheme:  alphanumeric + "+-.",
		Hex:     digits + "abcdefABCDEF",
		Digit:   digits,
	} {
		for b := 0; b < 256; b++ {
			if got, want := Is(byte(b), class), strings.IndexByte(octets, byte(b)) >= 0; got != want {
				t.Errorf("class %#x, byte %#x: %v", class, b, got)
			}
		}
	}
	for b := 0; b < 256; b++ {
		if got, want := IsLetter(byte(b)), b < 0x80 && strings.Contains(letters+strings.ToUpper(letters), string(rune(b))); got != want {
			t.Errorf("IsLetter(%#x) = %v", b, got)
		}
	}
}

func TestAll(t *testing.T) {
	for _, c := range []struct {
		s     string
		class Class
		want  bool
	}{
		{"", Token, true},
		{"a1", Token, true},
		{"a 1", Token, false},
		{"a1", Hex, true},
		{"A", Lower, false},
		{" ", Text, true},
	} {
		if got := All(c.s, c.class); got != c.want {
			t.Errorf("All(%q, %#x) = %v", c.s, c.class, got)
		}
	}
	if IsToken("") || IsToken("a b") || !IsToken("a") {
		t.Error("IsToken is wrong")
	}
}

func TestTextEndsAtAControlCharacter(t *testing.T) {
	for b := 0; b < 256; b++ {
		for at := range 20 {
			p := []byte(strings.Repeat("x", 20))
			p[at] = byte(b)
			want := 20
			if !Is(byte(b), Text) {
				want = at
			}
			if got := TextEnd(p, 0); got != want {
				t.Errorf("%q: %d, want %d", p, got, want)
			}
			if got := IsText(string(p)); got != (want == 20) {
				t.Errorf("IsText(%q) = %v", p, got)
			}
		}
	}
	if TextEnd([]byte("\x00abc"), 1) != 4 {
		t.Error("bytes before the index are looked at")
	}
	for s, want := range map[string]bool{"": true, "a": true, "a b": true, "a\tb": true, " a": false, "a\t": false, " ": false, "a\x00b": false} {
		if got := IsValue(s); got != want {
			t.Errorf("IsValue(%q) = %v", s, got)
		}
	}
}

func TestEqualFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true},
		{"Content-Type", "content-TYPE", true},
		{"a", "ab", false},
		{"k", "\u212a", false}, // the Kelvin sign
		{"[", "{", false},
		{"@", "`", false},
	} {
		if got := EqualFold(c.a, c.b); got != c.want {
			t.Errorf("EqualFold(%q, %q) = %v", c.a, c.b, got)
		}
	}
	for in, want := range map[string]string{"": "", "abc": "abc", "aBC": "abc", "\u00c9A": "\u00c9a"} {
		if got := LowerString(in); got != want {
			t.Errorf("LowerString(%q) = %q", in, got)
		}
	}
}

func TestLists(t *testing.T) {
	var elements []string
	for list := " a ,\tb\t,, c"; list != ""; {
		var element string
		element, list = CutElement(list)
		elements = append(elements, element)
	}
	if got := strings.Join(elements, "|"); got != "a|b||c" {
		t.Errorf("the elements are %s", got)
	}
	for list, want := range map[string]bool{"": false, "close": true, "keep-alive, Close": true, "closed": false, " ,close , x": true} {
		if got := ListHas(list, "close"); got != want {
			t.Errorf("ListHas(%q) = %v", list, got)
		}
	}
}

func TestDecimal(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "007": 7, "9223372036854775807": math.MaxInt64,
		"": NotDecimal, "-1": NotDecimal, "+1": NotDecimal, "1_0": NotDecimal, "0x1": NotDecimal, " 1": NotDecimal,
		"9223372036854775808": TooLarge, "99999999999999999999": TooLarge} {
		if got := Decimal(in); got != want {
			t.Errorf("Decimal(%q) = %d", in, got)
		}
	}
}

func TestDate(t *testing.T) {
	now := time.Date(2026, 11, 8, 23, 1, 2, 3, time.FixedZone("", -3600))
	if got := string(AppendDate([]byte("Date: "), now)); got != "Date: Mon, 09 Nov 2026 00:01:02 GMT" {
		t.Error(got)
	}
}

func TestStatusLine(t *testing.T) {
	for status, want := range map[int]string{200: "HTTP/1.1 200 OK\r\n", 299: "HTTP/1.1 299 \r\n", 999: "HTTP/1.1 999 \r\n"} {
		if got := string(AppendStatusLine(nil, status)); got != want {
			t.Errorf("%d: %q", status, got)
		}
	}
	// The standard library knows all registered codes, and some more.
	for status, reason := range reasons {
		if http.StatusText(status) == "" || StatusText(status) != reason {
			t.Errorf("%d %s: not registered", status, reason)
		}
	}
}

func TestSecrets(t *testing.T) {
	for _, name := range []string{"Authorization", "Proxy-Authorization", "Cookie", "cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token",
		"X-CSRF-Token", "X-Amz-Security-Token", "X-Forwarded-Client-Cert", "X-Goog-Iap-Jwt-Assertion", "X-Hub-Signature-256"} {
		if !IsSecret(name) {
			t.Errorf("%s is no secret", name)
		}
	}
	for _, name := range []string{"Host", "User-Agent", "Accept", "Accept-Encoding", "Accept-Language", "Content-Type", "Content-Length", "Connection",
		"Cache-Control", "Upgrade-Insecure-Requests", "Sec-Fetch-Site", "Sec-CH-UA", "If-None-Match", "Range", "Referer", "Origin", "X-Forwarded-For"} {
		if IsSecret(name) {
			t.Errorf("%s is a secret", name)
		}
	}
	if HasSecretField([]Field{{"Host", "a"}}) || !HasSecretField([]Field{{"Host", "a"}, {"Cookie", ""}}) {
		t.Error("HasSecretField is wrong")
	}
	for query, want := range map[string]bool{"": false, "a=token": false, "a=b&access_token=1": true, "Password=x": true, "&&=": false} {
		if got := HasSecretParameter(query); got != want {
			t.Errorf("HasSecretParameter(%q) = %v", query, got)
		}
	}
}

func BenchmarkIsSecret(b *testing.B) {
	for b.Loop() {
		IsSecret("Content-Type")
	}
}
