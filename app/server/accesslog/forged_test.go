//go:build linux

package accesslog

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// strange are the values of a request that its client chooses.
type strange struct{ target, referer, agent, sni, user string }

// line renders a request with these values.
func (s strange) line(t testing.TB, format string) string {
	r, rec := sample()
	rec.Target = s.target
	r.Fields = app.Fields{{Name: "Referer", Value: s.referer}, {Name: "User-Agent", Value: s.agent},
		{Name: "Authorization", Value: "Basic " + base64.StdEncoding.EncodeToString([]byte(s.user+":secret"))}}
	rec.Conn.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: s.sni}
	spi.Bind(r, nil, r.Conn())
	return string(mustCompile(t, format).Append(nil, r, rec))
}

// cutTo returns what a line has of the values, in their order in the line.
func cutTo(values ...*string) {
	left := MaxValues
	for _, v := range values {
		limit := min(MaxValue, left)
		left -= min(limit, len(*v))
		if len(*v) > limit {
			*v = (*v)[:limit] + "..."
		}
	}
}

// parsers parse a line of each format back to the values. The text format is for every preset of its kind.
var parsers = []struct {
	format string
	parse  func(t testing.TB, line string) strange
	// want changes the values to those that the format keeps.
	want func(s *strange)
}{
	{`%h %u %t "%m %{target}x" %s "%{Referer}i" "%{User-Agent}i" %{sni}x %B`, parseText, func(s *strange) {
		cutTo(new("192.0.2.7"), &s.user, new("GET"), &s.target, &s.referer, &s.agent, &s.sni)
	}},
	{"logfmt", parseLogfmt, func(s *strange) { cutAll(s) }},
	{"json", parseJSON, func(s *strange) {
		cutAll(s)
		for _, v := range []*string{&s.target, &s.referer, &s.agent, &s.sni, &s.user} {
			*v = strings.Map(func(r rune) rune { return r }, *v) // bytes that are not UTF-8 are U+FFFD
		}
	}},
}

// cutAll is cutTo in the order of variables.
func cutAll(s *strange) {
	cutTo(new("2026-11-28T21:30:05.123456Z"), new("192.0.2.7"), new("192.0.2.7:5000"), new("198.51.100.1:8443"), &s.user, new("GET"),
		&s.target, new("HTTP/2.0"), new("https"), new("example.org:8443"), &s.referer, &s.agent, new("GET /{name}"), new("--"),
		new("TLSv1.3"), &s.sni)
}

// unescape turns \xhh back into bytes.
func unescape(t testing.TB, text string) string {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, `\x`)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		n, err := strconv.ParseUint(after[:2], 16, 8)
		if err != nil {
			t.Fatalf("an escape: %v in %q", err, text)
		}
		b.WriteByte(byte(n))
		text = after[2:]
	}
}

// value is unescape for a value that may be missing.
func value(t testing.TB, text string) string {
	if text == "-" {
		return ""
	}
	return unescape(t, text)
}

// parseText reads words, text between quotation marks, and the time between brackets, as a parser of Apache's logs does.
func parseText(t testing.TB, line string) strange {
	var words []string
	for rest := line; rest != ""; {
		closing := " "
		switch {
		case rest[0] == '"':
			rest, closing = rest[1:], `" `
		case len(words) == 2:
			closing = "] "
		}
		word, after, _ := strings.Cut(rest, closing)
		words, rest = append(words, word), after
	}
	if len(words) != 9 {
		t.Fatalf("%d words in %q", len(words), line)
	}
	method, target, _ := strings.Cut(words[3], " ")
	if method != "GET" || words[8] != "13" {
		t.Fatalf("the words are %q", words)
	}
	return strange{target: value(t, target), referer: value(t, words[5]), agent: value(t, words[6]), sni: value(t, words[7]), user: value(t, words[1])}
}

func parseLogfmt(t testing.TB, line string) (s strange) {
	for rest := line; rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			t.Fatalf("%q is no pair", rest)
		}
		var text string
		if quoted, isQuoted := strings.CutPrefix(after, `"`); isQuoted {
			text, rest, ok = strings.Cut(quoted, `"`)
			if !ok || rest != "" && rest[0] != ' ' {
				t.Fatalf("the quotation marks of %s in %q", name, line)
			}
			rest = strings.TrimPrefix(rest, " ")
		} else {
			text, rest, _ = strings.Cut(after, " ")
		}
		s.set(name, unescape(t, text))
	}
	return s
}

func parseJSON(t testing.TB, line string) (s strange) {
	var pairs map[string]any
	if err := json.Unmarshal([]byte(line), &pairs); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for name, v := range pairs {
		if text, ok := v.(string); ok {
			s.set(name, text)
		}
	}
	return s
}

func (s *strange) set(name, text string) {
	switch name {
	case "target":
		s.target = text
	case "referer":
		s.referer = text
	case "user_agent":
		s.agent = text
	case "sni":
		s.sni = text
	case "user":
		s.user = text
	}
}

// isSafe reports whether a line has nothing that moves a terminal's cursor or reorders text.
func isSafe(line string) bool {
	for _, r := range line {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return utf8.ValidString(line)
}

// wantSame parses the line of each format back.
func (s strange) wantSame(t testing.TB) {
	for _, p := range parsers {
		line, want := s.line(t, p.format), s
		text, ok := strings.CutSuffix(line, "\n")
		if !ok || !isSafe(text) {
			t.Fatalf("%s: an unsafe line %q", p.format, line)
		}
		p.want(&want)
		if got := p.parse(t, text); got != want {
			t.Errorf("%s: %q\nparsed as %q\nwant      %q", p.format, line, got, want)
		}
	}
}

// forgeries are values that have forged lines, values or a terminal's commands elsewhere.
var forgeries = []string{
	"", "-", `\x2d`, `a b`, `" 200 "`, "\\", "\\\"", "x\n192.0.2.1 - root", "\r\n", "\x00", "\x1b[2J", "\x7f", "\u009b2J", "\x9b", "\xff\xfe",
	"\xc3", "\u2028", "\u2029", "\u202e", "\u2066x", "\u061c", "\ufeff", "\ufffd", "ä€😀", "\xed\xa0\x80", "a=b", "]", "%h", "...", "a\tb",
	strings.Repeat("€", 3000), strings.Repeat("\x01", 9000),
}

func TestForgedLines(t *testing.T) {
	for b := range 256 {
		v := "a" + string([]byte{byte(b)}) + "z"
		user := strings.ReplaceAll(v, ":", "")
		strange{target: v, referer: v, agent: v, sni: v, user: user}.wantSame(t)
		alone := string([]byte{byte(b)})
		strange{target: alone, referer: alone, agent: alone, sni: alone, user: strings.ReplaceAll(alone, ":", "")}.wantSame(t)
	}
	for _, v := range forgeries {
		strange{target: v, referer: v, agent: v, sni: v, user: v}.wantSame(t)
	}
}

func FuzzForgedLines(f *testing.F) {
	for i, v := range forgeries {
		f.Add(v, forgeries[(i+1)%len(forgeries)], forgeries[(i+2)%len(forgeries)], forgeries[(i+3)%len(forgeries)], forgeries[(i+4)%len(forgeries)])
	}
	f.Fuzz(func(t *testing.T, target, referer, agent, sni, user string) {
		user, _, _ = strings.Cut(user, ":") // it ends there (RFC 7617)
		strange{target, referer, agent, sni, user}.wantSame(t)
	})
}
