package ws

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// validTexts and invalidTexts follow the classes of Autobahn's section 6, in
// hexadecimal.
var validTexts = strings.Fields(`
	cebae1bdb9cf83cebcceb5 48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121
	f0908080 f48fbfbf eda0 ee8080 efbfbd efbfbe efbfbf ed9fbf
	00 c280 e0a080 f0908080 7f dfbf efbfbf f7 48656c6c6f
	f09fbfbe f09fbfbf f0afbfbe f0bfbfbf f18fbfbe f2afbfbf f3bfbfbe f48fbfbe
	efbbbf efb790 c3a9 e282ac f09f9880`)

var invalidTexts = strings.Fields(`
	cebae1bdb9cf83cebcceb5eda080656469746564 cebae1bdb9cf83cebcceb5f4908080656469746564
	f8888080 80 f888808080 fc8480808080 fbbfbfbfbf f7bfbfbf fdbfbfbfbfbf f4908080 f5808080
	80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf 808182838485868788898a8b8c8d8e8f9091
	c020c120c220c320c420 e020e120e220 f020f120f220 f820f920 fc20fd20 c0 e080 f08080 f8808080
	fc80808080 df ef fbbfbf fdbfbfbf c0e080f08080f8808080 fe ff fefeffff
	c0af e080af f08080af f8808080af fc80808080af c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf
	c080 e08080 f0808080 f880808080 fc8080808080
	eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf
	eda080edb080 eda080edbfbf edadbfedb080 edadbfedbfbf edae80edb080 edafbfedbfbf
	ce e1bd f09f98 41c3 e282 41e2 e2a1c0 c3c3 f0909041`)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// viable reports, by trying, whether a text may begin with p: it asks only the
// standard library.
func viable(p []byte) bool {
	if utf8.Valid(p) {
		return true
	}
	ends := []byte{0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf}
	for _, a := range ends {
		if utf8.Valid(append(p[:len(p):len(p)], a)) {
			return true
		}
		for _, b := range ends {
			if utf8.Valid(append(p[:len(p):len(p)], a, b)) {
				return true
			}
			for _, c := range ends {
				if utf8.Valid(append(p[:len(p):len(p)], a, b, c)) {
					return true
				}
			}
		}
	}
	return false
}

// firstBad gives the number of bytes after which a text is known to be invalid;
// len(p)+1 if only its end shows it, 0 if it is valid.
func firstBad(p []byte) int {
	for n := 1; n <= len(p); n++ {
		if !viable(p[:n]) {
			return n
		}
	}
	if !utf8.Valid(p) {
		return len(p) + 1
	}
	return 0
}

// 6: texts in one frame, in fragments of one byte, and the same chopped.
func TestTexts(t *testing.T) {
	for _, s := range append(append([]string{}, validTexts...), invalidTexts...) {
		body := unhex(s)
		var fragments []frameOf
		for i := range body {
			f := more(string(body[i : i+1]))
			if i == 0 {
				f.op = Text
			}
			f.fin = i == len(body)-1
			fragments = append(fragments, f)
		}
		want := dialogue{events: "error:1007", out: "close:1007"}
		if utf8.Valid(body) {
			shown := "text:" + show(Text, body)
			want = dialogue{events: shown, out: shown}
		}
		for name, in := range map[string][]byte{"whole": wire(text(string(body))), "fragments": wire(fragments...)} {
			want.name, want.in = name+" "+s, in
			want.run(t)
		}
	}
}

// 6.4: an invalid text fails at its first bad byte, however it is cut.
func TestTextsFailFast(t *testing.T) {
	for _, s := range invalidTexts {
		body := unhex(s)
		bad := firstBad(body)
		if bad > len(body) {
			continue
		}
		for name, frames := range map[string][]byte{
			"in a frame that goes on": wire(text(string(body) + strings.Repeat("x", 100)))[:6+len(body)],
			"in a first frame":        wire(first(string(body))),
			"in the next frame":       wire(first("\xe2\x82\xac"), more(string(body))),
		} {
			p := newPlayer(Server, Deflate{}, nil)
			at := len(frames) - len(body)
			p.receive(frames[:at])
			for i := range body {
				if p.err != nil {
					t.Fatalf("%s %s: failed before byte %d", s, name, i)
				}
				p.receive(frames[at+i : at+i+1])
				if i+1 == bad {
					break
				}
			}
			if p.err == nil || p.err.(*Error).Code != CloseInvalidPayload {
				t.Errorf("%s %s: byte %d did not fail it: %v", s, name, bad, p.err)
			}
		}
	}
}

// The check agrees with the standard library on every cut of random texts, and
// on when a text cannot become valid any more.
func TestUTF8AgainstStandardLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	alphabet := []byte{'a', 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff}
	for range 5000 {
		p := make([]byte, 1+rng.IntN(12))
		for i := range p {
			p[i] = alphabet[rng.IntN(len(alphabet))]
		}
		checkUTF8(t, p, rng.IntN(len(p)+1))
	}
	for r := rune(0); r <= utf8.MaxRune+1; r += 397 {
		checkUTF8(t, []byte(fmt.Sprintf("a%cb", r)), 2)
	}
}

// checkUTF8 compares pieces cut at one place with the whole.
func checkUTF8(t *testing.T, p []byte, cut int) {
	t.Helper()
	var u utf8Check
	if got, want := u.add(p[:cut]), viable(p[:cut]); got != want {
		t.Fatalf("%x: viable is %v", p[:cut], got)
	} else if !got {
		return
	}
	if got, want := u.add(p[cut:]), viable(p); got != want {
		t.Fatalf("%x after %x: viable is %v", p[cut:], p[:cut], got)
	} else if got && u.complete() != utf8.Valid(p) {
		t.Fatalf("%x after %x: complete is %v", p[cut:], p[:cut], u.complete())
	}
}
