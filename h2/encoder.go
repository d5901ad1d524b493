package h2

import (
	"hash/maphash"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// encoder encodes field lines with a small dynamic table (RFC 7541) for what the requests of a connection have in
// common: lines that have occurred before, and no credentials.
type encoder struct {
	entries []encoded     // the oldest first
	size    uint32        // RFC 7541 section 4.1
	limit   uint32        // of size
	allowed uint32        // the largest limit by the peer's SETTINGS and ours
	shrunk  bool          // the next block has an update to limit
	credit  uint8         // entries that may replace others
	blocks  uint8         // since credit was earned last
	seen    [16][4]uint32 // hashes of lines that are not in the table, and how often they occurred
}

// encoded is an entry of the table.
type encoded struct {
	hash        uint32
	name, value string
}

// newEncoder returns an encoder for a peer whose table has size bytes.
func newEncoder(size uint32) *encoder {
	e := &encoder{limit: tableSize, credit: maxEntries}
	e.resize(size)
	return e
}

// resize follows the peer's SETTINGS_HEADER_TABLE_SIZE (RFC 7541 section 4.2). The table shrinks at once,
// with an update in the next block. It grows with a later one, since x/net's decoder refuses two updates in a block.
func (e *encoder) resize(size uint32) {
	e.allowed = min(size, encoderTable)
	if e.allowed < e.limit {
		e.limit, e.shrunk = e.allowed, true
		e.makeRoom(0)
	}
}

// begin starts a block, with the size update that is due.
func (e *encoder) begin(dst []byte) []byte {
	if e.blocks++; e.blocks >= insertEvery {
		e.blocks = 0
		e.credit = min(e.credit+1, maxEntries)
	}
	switch {
	case e.shrunk:
		e.shrunk = false
	case e.limit < e.allowed:
		e.limit = e.allowed
	default:
		return dst
	}
	return appendVarInt(dst, emptyTable, 0x1f, int(e.limit))
}

// field appends a field line whose name has that index in the static table, or 0. The name may have upper case.
// The line is added to the table when it occurs for the sightings-th time; neverAdd sends it as never indexed.
func (e *encoder) field(dst []byte, index int, name, value string, sightings uint32) []byte {
	if sightings == neverAdd {
		return appendLiteral(dst, neverIndexed, literalMask, index, name, value)
	}
	hash := lineHash(name, value)
	for i := len(e.entries) - 1; i >= 0; i-- {
		if known := &e.entries[i]; known.hash == hash && known.value == value && octets.EqualFold(known.name, name) {
			return appendVarInt(dst, indexed, 0x7f, len(staticTable)+len(e.entries)-i)
		}
	}
	if !e.repeats(hash, sightings) || !e.insert(hash, name, value) {
		return appendLiteral(dst, 0, literalMask, index, name, value)
	}
	return appendLiteral(dst, incremental, 0x3f, index, name, value)
}

// repeats records a line. It reports whether the line has occurred so many times.
func (e *encoder) repeats(hash, sightings uint32) bool {
	const count = 3 // the lowest bits of an element
	set := &e.seen[hash>>28]
	for i := range set {
		if (set[i]^hash)&^count == 0 {
			if set[i]&count < count {
				set[i]++
			}
			return set[i]&count >= sightings
		}
	}
	copy(set[1:], set[:])
	set[0] = hash&^count | 1
	return false
}

// insert adds a line to the table, unless it does not fit, has credentials, or would evict more than is earned.
func (e *encoder) insert(hash uint32, name, value string) bool {
	size := uint32(len(name)+len(value)) + entryOverhead
	if size > e.limit/4 || hasCredentials(name, value) {
		return false
	}
	if e.size+size > e.limit || len(e.entries) == maxEntries {
		if e.credit == 0 {
			return false
		}
		e.credit--
	}
	if len(e.entries) == maxEntries {
		e.evict(1)
	}
	e.makeRoom(size)
	// A copy, since the caller's strings may be parts of a whole message.
	line := octets.LowerString(name) + value
	e.entries = append(e.entries, encoded{hash, line[:len(name)], line[len(name):]})
	e.size += size
	return true
}

// hasCredentials reports whether a line is likely to carry credentials, perhaps in the query of :path.
func hasCredentials(name, value string) bool {
	if name[0] == ':' {
		_, query, _ := strings.Cut(value, "?")
		return octets.HasSecretParameter(query)
	}
	return octets.IsSecret(name)
}

// makeRoom evicts the oldest entries until size bytes fit (RFC 7541 section 4.4).
func (e *encoder) makeRoom(size uint32) {
	n := 0
	for left := e.size; n < len(e.entries) && left+size > e.limit; n++ {
		left -= e.entries[n].cost()
	}
	e.evict(n)
}

func (e *encoded) cost() uint32 { return uint32(len(e.name)+len(e.value)) + entryOverhead }

// evict removes the n oldest entries.
func (e *encoder) evict(n int) {
	for i := range n {
		e.size -= e.entries[i].cost()
	}
	kept := copy(e.entries, e.entries[n:])
	clear(e.entries[kept:])
	e.entries = e.entries[:kept]
}

var hashSeed = maphash.MakeSeed()

// lineHash returns a hash of a field line. Upper case in the name makes no difference.
func lineHash(name, value string) uint32 {
	h := maphash.String(hashSeed, value)
	n := uint32(len(name))<<16 ^ uint32(name[0]|0x20)<<8 ^ uint32(name[len(name)-1]|0x20)
	return uint32(h>>32) ^ n*0x9e3779b1
}

// appendLiteral appends a literal (RFC 7541 section 6.2) with its name in lower case (RFC 9113 section 8.2.1). first
// has the bits of its representation, and mask those of an index.
func appendLiteral(dst []byte, first, mask byte, index int, name, value string) []byte {
	if index > 0 {
		return appendString(appendVarInt(dst, first, mask, index), value)
	}
	dst = appendVarInt(append(dst, first), 0, stringMask, len(name))
	for i := range len(name) {
		dst = append(dst, octets.ToLower(name[i]))
	}
	return appendString(dst, value)
}
