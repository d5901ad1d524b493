package h2

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// lines decodes a block and returns its regular field lines.
func (d *decoder) lines(block string) (lines []Field, ok bool) {
	s := new(section)
	s.begin(1 << 30)
	s.trailers = true // keeps pseudo-fields from having an effect
	var scratch []byte
	ok = d.decode([]byte(block), s, &scratch)
	return s.head.Fields, ok
}

// Blocks of x/net's encoder decode to the fields that were encoded, with a table that changes.
func TestDecoderAgreesWithEncoder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var block strings.Builder
		enc := hpack.NewEncoder(&block)
		d := newDecoder()
		for range 60 {
			block.Reset()
			if random.IntN(10) == 0 {
				enc.SetMaxDynamicTableSize(uint32(random.IntN(tableSize + 1)))
			}
			var want []Field
			for range random.IntN(12) {
				f := Field{"x" + strings.Repeat("n", random.IntN(3)), strings.Repeat(string(rune('0'+random.IntN(70))), random.IntN(200))}
				if random.IntN(20) == 0 {
					f.Value = strings.Repeat("v", random.IntN(5000))
				}
				want = append(want, f)
				enc.WriteField(hpack.HeaderField{Name: f.Name, Value: f.Value, Sensitive: random.IntN(5) == 0})
			}
			got, ok := d.lines(block.String())
			if !ok || !slices.Equal(got, want) {
				t.Fatalf("ok %v\n got %q\nwant %q", ok, got, want)
			}
		}
	}
}

func TestStaticTable(t *testing.T) {
	for i := 1; i <= len(staticTable); i++ {
		fields, err := hpack.NewDecoder(0, nil).DecodeFull([]byte{byte(0x80 | i)})
		if err != nil {
			t.Fatal(err)
		}
		if e := newDecoder().entry(uint32(i)); e.name != fields[0].Name || e.value != fields[0].Value {
			t.Errorf("%d is %s: %s, want %v", i, e.name, e.value, fields[0])
		}
	}
}

func TestHuffmanDecoding(t *testing.T) {
	for b := range 256 {
		for _, s := range []string{string([]byte{byte(b)}), "a" + string([]byte{byte(b), byte(b)}) + "z"} {
			got, ok := appendHuffmanDecoded(nil, hpack.AppendHuffmanString(nil, s))
			if string(got) != s || !ok {
				t.Errorf("%q became %q, %v", s, got, ok)
			}
		}
	}
	for name, code := range map[string]string{
		"eight bits of padding":  "\x1f\xff", // a, then 11 ones
		"padding of zeros":       "\x18",     // a, then 3 zeros
		"the end-of-string code": "\xff\xff\xff\xff",
	} {
		if got, ok := appendHuffmanDecoded(nil, []byte(code)); ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Blocks that RFC 7541 forbids are errors.
func TestInvalidBlocks(t *testing.T) {
	for name, block := range map[string]string{
		"index 0":                             "\x80",
		"an index beyond the tables":          "\xbe",
		"a name beyond the tables":            "\x7e\x01v",
		"a size update above our setting":     "\x3f\xe2\x1f",
		"a size update behind a field":        "\x82\x20",
		"an integer without end":              "\xff\x80\x80\x80\x80\x80\x80\x80",
		"an integer that is cut":              "\xff\x80",
		"a name without a value":              "\x40\x01x",
		"a string longer than the block":      "\x40\x01x\x05abc",
		"no name":                             "\x40",
		"Huffman's code with its last symbol": "\x40\x01x\x84\xff\xff\xff\xff",
	} {
		if _, ok := newDecoder().lines(block); ok {
			t.Errorf("%s was decoded", name)
		}
	}
}

// An entry larger than the table empties it, which is no error (RFC 7541 section 4.4).
func TestEntryLargerThanTheTable(t *testing.T) {
	d := newDecoder()
	if lines, ok := d.lines("\x40\x01x\x01y\xbe"); !ok || len(lines) != 2 {
		t.Fatal(lines, ok)
	}
	if _, ok := d.lines("\x40\x01x\x7f\x81\x1f" + strings.Repeat("v", 4096)); !ok || d.count != 0 || d.size != 0 {
		t.Fatalf("%d entries of %d bytes are left, %v", d.count, d.size, ok)
	}
	if _, ok := d.lines("\xbe"); ok {
		t.Error("an entry is left")
	}
}

// An entry is examined once.
func TestEntriesAreExaminedOnce(t *testing.T) {
	d := newDecoder()
	if _, ok := d.lines("\x40\x01x\x01y\x40\x01x\x01\x01"); !ok {
		t.Fatal("not decoded")
	}
	if a, b := d.entry(63).class, d.entry(62).class; a != plainField || b != plainField|badValue {
		t.Errorf("classes %d and %d", a, b)
	}
	// An entry of a discarded section is examined at its first reference.
	var scratch []byte
	if !d.decode([]byte("\x40\x02te\x01x"), nil, &scratch) || d.entry(62).class != unclassified {
		t.Error("examined without a section")
	}
	if d.lines("\xbe"); d.entry(62).class != teField|badValue {
		t.Error("not examined")
	}
}

// FuzzDecoder compares the decoder with x/net's, block by block.
func FuzzDecoder(f *testing.F) {
	f.Add("\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", "\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf")
	f.Add("\x20\x3f\xe1\x1f\x40\x01x\x01y", "\xbe\x7e\x01z\xbe\xbf")
	f.Add("\x00\x01x\x01y\x10\x01x\x01y", "\x0f\x2f\x01y")
	f.Fuzz(func(t *testing.T, first, second string) {
		d := newDecoder()
		var want []Field
		other := hpack.NewDecoder(tableSize, func(f hpack.HeaderField) {
			if f.Name != "" && f.Name[0] != ':' {
				want = append(want, Field{f.Name, f.Value})
			}
		})
		for _, block := range []string{first, second} {
			want = nil
			s := new(section)
			s.begin(1 << 30)
			s.trailers = true
			var all []Field
			var scratch []byte
			ok := d.decode([]byte(block), s, &scratch)
			_, err := other.Write([]byte(block))
			if e := other.Close(); err == nil {
				err = e
			}
			if !ok {
				return // x/net takes longer integers, and some size updates elsewhere
			}
			if err != nil {
				t.Fatalf("%q was decoded, but not by x/net: %v", block, err)
			}
			all = s.head.Fields
			if s.bad == "" && !slices.Equal(all, want) {
				t.Fatalf("got %q, want %q", all, want)
			}
			var size uint32
			for i := uint32(0); i < d.count; i++ {
				e := d.entry(uint32(len(staticTable)) + 1 + i)
				size += uint32(len(e.name)+len(e.value)) + entryOverhead
			}
			if size != d.size || size > d.limit {
				t.Fatalf("%d bytes of entries, %d counted, %d allowed", size, d.size, d.limit)
			}
		}
	})
}
