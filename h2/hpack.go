package h2

// decoder decodes header blocks (HPACK, RFC 7541) and keeps the dynamic table. Each entry has its
// fieldClass, so that a field line is examined once, however often blocks refer to it. There is no
// index by name, which only an encoder needs.
type decoder struct {
	ring  []entry // of the dynamic table; its length is 0 or a power of two
	next  uint32  // index in ring of the next entry
	count uint32
	size  uint32 // RFC 7541 section 4.1: the bytes of all entries, and 32 for each
	limit uint32 // of size, as the encoder has set it

	changed bool // the table, by the last block
}

// entry is a field line of a table.
type entry struct {
	name, value string
	named       fieldClass // class of the name
	class       fieldClass // unclassified until the first reference
}

// entryOverhead is added to an entry's bytes (RFC 7541 section 4.1).
const entryOverhead = 32

func newDecoder() *decoder { return &decoder{limit: tableSize} }

// decode decodes a complete block into s, which may be nil. It reports whether the block is valid; if
// not, the table is unusable. scratch is memory for strings.
func (d *decoder) decode(block []byte, s *section, scratch *[]byte) (ok bool) {
	d.changed = false
	first := true // RFC 7541 section 4.2: size updates come first
	for len(block) > 0 {
		b := block[0]
		switch {
		case b&indexed != 0:
			var i uint32
			if i, block, ok = readInt(block, 0x7f); !ok {
				return false
			}
			e := d.entry(i)
			if e == nil {
				return false
			}
			if s != nil {
				if e.class == unclassified {
					e.class = e.named.with(e.value)
				}
				if !s.field(e.name, e.value, e.class) {
					s = nil
				}
			}
		case b&0xe0 == emptyTable:
			var size uint32
			if size, block, ok = readInt(block, 0x1f); !ok || !first || size > tableSize {
				return false
			}
			d.limit, d.changed = size, true
			d.evict(0)
			continue
		default:
			if block, ok = d.literal(block, &s, scratch); !ok {
				return false
			}
		}
		first = false
	}
	return true
}

// literal decodes a literal field line (RFC 7541 section 6.2), and adds it to the table if its representation requires that.
func (d *decoder) literal(block []byte, s **section, scratch *[]byte) (rest []byte, ok bool) {
	prefix, add, never := byte(literalMask), false, block[0]&0xf0 == neverIndexed
	if block[0]&incremental != 0 {
		prefix, add = 0x3f, true
	}
	i, block, ok := readInt(block, prefix)
	if !ok {
		return nil, false
	}
	var e entry
	text := (*scratch)[:0]
	if i != 0 {
		named := d.entry(i)
		if named == nil {
			return nil, false
		}
		e.name, e.named = named.name, named.named
	} else if text, block, ok = appendText(text, block); !ok {
		return nil, false
	}
	name := len(text)
	if text, block, ok = appendText(text, block); !ok {
		return nil, false
	}
	*scratch = text
	if *s == nil && !add {
		return block, true
	}
	// One allocation for both strings.
	if i != 0 {
		e.value = string(text)
	} else {
		whole := string(text)
		e.name, e.value = whole[:name], whole[name:]
		e.named = classify(e.name)
	}
	if *s != nil {
		e.class = e.named.with(e.value)
		if !(*s).field(e.name, e.value, e.class) {
			*s = nil
		} else if never {
			(*s).markNever(e.class)
		}
	}
	if add {
		d.insert(e)
	}
	return block, true
}

// entry returns the entry with index i, or nil (RFC 7541 section 2.3.3).
func (d *decoder) entry(i uint32) *entry {
	if i-1 < uint32(len(staticTable)) {
		return &staticTable[i-1]
	}
	if i -= uint32(len(staticTable)); i-1 >= d.count {
		return nil
	}
	return &d.ring[(d.next-i)&uint32(len(d.ring)-1)]
}

// insert adds e (RFC 7541 section 4.4).
func (d *decoder) insert(e entry) {
	d.changed = true
	size := uint32(len(e.name)+len(e.value)) + entryOverhead
	if size > d.limit {
		d.evict(d.limit)
		return
	}
	d.evict(size)
	if d.count == uint32(len(d.ring)) {
		d.grow()
	}
	d.ring[d.next] = e
	d.next = (d.next + 1) & uint32(len(d.ring)-1)
	d.count++
	d.size += size
}

// evict removes the oldest entries until there is room for need bytes.
func (d *decoder) evict(need uint32) {
	for d.count > 0 && d.size+need > d.limit {
		oldest := &d.ring[(d.next-d.count)&uint32(len(d.ring)-1)]
		d.size -= uint32(len(oldest.name)+len(oldest.value)) + entryOverhead
		*oldest = entry{}
		d.count--
	}
}

// leastRing is the first capacity of a table in entries. The first requests of browsers and proxies
// leave six to ten.
const leastRing = 8

// grow doubles the ring, with the oldest entry first.
func (d *decoder) grow() {
	ring := make([]entry, max(leastRing, 2*len(d.ring)))
	n := copy(ring, d.ring[d.next:])
	copy(ring[n:], d.ring[:d.next])
	d.ring, d.next = ring, d.count
}

// readInt reads an integer whose prefix is in the first byte (RFC 7541 section 5.1). Larger ones than any
// use has are invalid.
func readInt(b []byte, prefix byte) (n uint32, rest []byte, ok bool) {
	n, b = uint32(b[0]&prefix), b[1:]
	if n < uint32(prefix) {
		return n, b, true
	}
	for shift := 0; shift < 28 && len(b) > 0; shift += 7 {
		c := b[0]
		b = b[1:]
		if n += uint32(c&0x7f) << shift; c&0x80 == 0 {
			return n, b, true
		}
	}
	return 0, nil, false
}

// appendText appends the string literal at the start of b (RFC 7541 section 5.2) to dst.
func appendText(dst, b []byte) (_, rest []byte, ok bool) {
	if len(b) == 0 {
		return dst, nil, false
	}
	coded := b[0]&huffman != 0
	n, b, ok := readInt(b, stringMask)
	if !ok || n > uint32(len(b)) {
		return dst, nil, false
	}
	if coded {
		dst, ok = appendHuffmanDecoded(dst, b[:n])
		return dst, b[n:], ok
	}
	return append(dst, b[:n]...), b[n:], true
}
