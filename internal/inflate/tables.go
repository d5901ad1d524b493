package inflate

// The entries of the symbols of each alphabet. RFC 1951 section 3.2.5.
var lengthSymbols, distanceSymbols, metaSymbols = alphabets()

// The tables of blocks with fixed codes. RFC 1951 section 3.2.6.
var fixedLengths, fixedDistances = fixedTables()

func alphabets() (lengths [maxLengths + 2]entry, distances [maxDistances + 2]entry, metas [maxMetas]entry) {
	for i := range 256 {
		lengths[i] = newEntry(literal, i, 0)
	}
	lengths[256] = newEntry(endOfBlock, 0, 0)
	base := 3
	for i := range 28 {
		extra := max(0, i/4-1)
		lengths[257+i] = newEntry(length, base, extra)
		base += 1 << extra
	}
	lengths[285] = newEntry(length, maxMatch, 0)
	base = 1
	for i := range maxDistances {
		extra := max(0, i/2-1)
		distances[i] = newEntry(length, base, extra)
		base += 1 << extra
	}
	// Symbols that take part in the fixed codes and never occur in valid data.
	lengths[286], lengths[287] = newEntry(invalid, 0, 0), newEntry(invalid, 0, 0)
	distances[30], distances[31] = newEntry(invalid, 0, 0), newEntry(invalid, 0, 0)
	for i := range metas {
		metas[i] = newEntry(literal, i, 0)
	}
	return lengths, distances, metas
}

func fixedTables() (lengths [lengthTableSize]entry, distances [distanceTableSize]entry) {
	var sizes [maxLengths + 2]uint8
	for i := range sizes {
		switch {
		case i < 144:
			sizes[i] = 8
		case i < 256:
			sizes[i] = 9
		case i < 280:
			sizes[i] = 7
		default:
			sizes[i] = 8
		}
	}
	build(lengths[:], lengthRoot, sizes[:], lengthSymbols[:])
	var five [maxDistances + 2]uint8
	for i := range five {
		five[i] = 5
	}
	build(distances[:], distanceRoot, five[:], distanceSymbols[:])
	return lengths, distances
}

// tableSizes: RFC 1951 section 3.2.7.
func (d *Decoder) tableSizes(in []byte) (rest []byte, status Status) {
	rest, ok := d.fill(in, 14)
	if !ok {
		return rest, NeedInput
	}
	d.sizes = [3]int{d.take(5) + 257, d.take(5) + 1, d.take(4) + 4}
	if d.sizes[0] > maxLengths || d.sizes[1] > maxDistances {
		return rest, Corrupt
	}
	d.read = 0
	clear(d.lengths[:maxMetas])
	d.mode = codeLengths
	return rest, goOn
}

// metaOrder is the order in which the lengths of the code length alphabet are
// sent. RFC 1951 section 3.2.7.
var metaOrder = [maxMetas]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// codeLengths reads the code length alphabet. Its table lies where that of the
// distances is built later.
func (d *Decoder) codeLengths(in []byte) (rest []byte, status Status) {
	rest = in
	for ; d.read < d.sizes[2]; d.read++ {
		var ok bool
		if rest, ok = d.fill(rest, 3); !ok {
			return rest, NeedInput
		}
		d.lengths[metaOrder[d.read]] = uint8(d.take(3))
	}
	d.tables++
	if !build(d.ownDistances[:metaTableSize], metaRoot, d.lengths[:maxMetas], metaSymbols[:]) {
		return rest, Corrupt
	}
	d.read = 0
	d.mode = symbolCodes
	return rest, goOn
}

// symbolCodes reads the code lengths of the other two alphabets and builds their
// tables.
func (d *Decoder) symbolCodes(in []byte) (rest []byte, status Status) {
	rest = in
	total := d.sizes[0] + d.sizes[1]
	for d.read < total {
		if rest, status = d.symbolCode(rest, total); status != goOn {
			return rest, status
		}
	}
	d.tables += 2
	lengths, distances := d.lengths[:d.sizes[0]], d.lengths[d.sizes[0]:total]
	// A block without an end could not be left.
	if lengths[256] == 0 ||
		!build(d.ownLengths[:], lengthRoot, lengths, lengthSymbols[:]) ||
		!build(d.ownDistances[:], distanceRoot, distances, distanceSymbols[:]) {
		return rest, Corrupt
	}
	d.lengthTable, d.distanceTable = d.ownLengths[:], d.ownDistances[:]
	d.mode = symbols
	return rest, goOn
}

// symbolCode reads one code length, or a run of equal ones.
func (d *Decoder) symbolCode(in []byte, total int) (rest []byte, status Status) {
	rest, _ = d.fill(in, metaRoot+7)
	e := lookUp(d.ownDistances[:metaTableSize], metaRoot, d.bits)
	value, repeat, extra := uint8(0), 0, uint(0)
	switch symbol := e.value(); symbol {
	case 16:
		repeat, extra = 3, 2
		if d.read > 0 {
			value = d.lengths[d.read-1]
		}
	case 17:
		repeat, extra = 3, 3
	case 18:
		repeat, extra = 11, 7
	default:
		value, repeat = uint8(symbol), 1
	}
	switch {
	case e.codeBits() > d.count:
		return rest, NeedInput
	case e.kind() == invalid || e.value() == 16 && d.read == 0:
		return rest, Corrupt
	case e.codeBits()+extra > d.count:
		return rest, NeedInput
	}
	d.take(e.codeBits())
	repeat += d.take(extra)
	if d.read+repeat > total {
		return rest, Corrupt
	}
	for range repeat {
		d.lengths[d.read] = value
		d.read++
	}
	return rest, goOn
}
