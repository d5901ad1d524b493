package octets

// Class is a set of classes of octets. A byte may belong to several.
type Class uint8

const (
	Token   Class = 1 << iota // tchar: RFC 9110 section 5.6.2
	Lower                     // tchar without uppercase letters: RFC 9113 section 8.2.1
	Text                      // of a field value: RFC 9110 section 5.5, HTAB, SP and obs-text included
	Target                    // of a request target: visible ASCII except "#"
	RegName                   // of a host name, percent signs excluded: RFC 3986 section 3.2.2
	Scheme                    // of a scheme after its first letter: RFC 3986 section 3.1
	Hex                       // a hexadecimal digit
	Digit                     // a decimal digit
)

var classes = classify()

func classify() (t [256]Class) {
	set := func(class Class, octets string) {
		for i := range len(octets) {
			t[octets[i]] |= class
		}
	}
	for b := '0'; b <= '9'; b++ {
		t[b] |= Token | Lower | RegName | Scheme | Hex | Digit
	}
	for b := 'a'; b <= 'z'; b++ {
		t[b] |= Token | Lower | RegName | Scheme
		t[b-'a'+'A'] |= Token | RegName | Scheme
	}
	set(Hex, "abcdefABCDEF")
	set(Token|Lower, "!#$%&'*+-.^_`|~")
	set(RegName, "-._~!$&'()*+,;=")
	set(Scheme, "+-.")
	for b := 0x21; b < 0x7f; b++ {
		t[b] |= Target
	}
	t['#'] &^= Target
	for b := 0x20; b <= 0xff; b++ {
		t[b] |= Text
	}
	t['\t'] |= Text
	t[0x7f] &^= Text
	return t
}

// Is reports whether b belongs to one of the classes.
func Is(b byte, class Class) bool { return classes[b]&class != 0 }

// All reports whether every byte of s belongs to the same one of the classes.
// The empty string does. All bytes are read without branching, since a fault is
// rare.
func All(s string, class Class) bool {
	for i := range len(s) {
		class &= classes[s[i]]
	}
	return class != 0
}

// IsToken reports whether s is a token (RFC 9110 section 5.6.2).
func IsToken(s string) bool { return s != "" && All(s, Token) }

// IsLetter reports whether b is a letter of ASCII.
func IsLetter(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }

// HexValue returns the value of a hexadecimal digit.
func HexValue(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b | 0x20 - 'a' + 10
}
