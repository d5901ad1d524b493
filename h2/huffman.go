package h2

import "golang.org/x/net/http2/hpack"

// Decoding of RFC 7541's Huffman code by an automaton that takes four bits at a time. A state is
// an inner node of the code's tree; no code is shorter than five bits, so a step ends one symbol at
// most.

// huffmanStep is where four bits lead from a state.
type huffmanStep struct {
	next   uint8
	symbol uint8
	flags  uint8
}

const (
	huffmanSymbol  = 1 << iota // symbol is complete
	huffmanAccepts             // a string may end here: the bits after the last symbol are padding
	huffmanInvalid             // the end-of-string symbol, which must not occur (RFC 7541 section 5.2)
)

var huffmanSteps = makeHuffmanSteps()

// makeHuffmanSteps builds the automaton from the code table of hpack's encoder.
func makeHuffmanSteps() (steps [256][16]huffmanStep) {
	type node struct {
		child [2]int16 // an inner node, or -1-symbol for a leaf; 0: the end-of-string symbol
	}
	tree := make([]node, 1, 256)
	for symbol := range 256 {
		s := string([]byte{byte(symbol)})
		// Eight times a code has as many bytes as the code has bits.
		bits := int(hpack.HuffmanEncodeLength(s + s + s + s + s + s + s + s))
		code := hpack.AppendHuffmanString(nil, s)
		at := int16(0)
		for i := range bits {
			way := code[i/8] >> (7 - i%8) & 1
			if i == bits-1 {
				tree[at].child[way] = int16(-1 - symbol)
			} else if tree[at].child[way] == 0 {
				tree = append(tree, node{})
				tree[at].child[way] = int16(len(tree) - 1)
			}
			if i < bits-1 {
				at = tree[at].child[way]
			}
		}
	}
	// RFC 7541 section 5.2: padding is up to seven bits of ones.
	var accepts [256]bool
	for at, n := int16(0), 0; n < 8; n++ {
		accepts[at] = true
		at = tree[at].child[1]
	}
	for state := range tree {
		for nibble := range 16 {
			step := &steps[state][nibble]
			at := int16(state)
			for i := 3; i >= 0 && step.flags&huffmanInvalid == 0; i-- {
				switch child := tree[at].child[nibble>>i&1]; {
				case child < 0:
					step.symbol, step.flags = uint8(-1-child), huffmanSymbol
					at = 0
				case child == 0:
					step.flags |= huffmanInvalid
				default:
					at = child
				}
			}
			if step.next = uint8(at); accepts[at] {
				step.flags |= huffmanAccepts
			}
		}
	}
	return steps
}

// appendHuffmanDecoded appends the string that code stands for. ok is false for code that no
// encoder makes.
func appendHuffmanDecoded(dst, code []byte) (_ []byte, ok bool) {
	state, last := uint8(0), uint8(huffmanAccepts)
	for _, b := range code {
		first := huffmanSteps[state][b>>4]
		second := huffmanSteps[first.next][b&0xf]
		if first.flags&huffmanSymbol != 0 {
			dst = append(dst, first.symbol)
		}
		if second.flags&huffmanSymbol != 0 {
			dst = append(dst, second.symbol)
		}
		if (first.flags|second.flags)&huffmanInvalid != 0 {
			return dst, false
		}
		state, last = second.next, second.flags
	}
	return dst, last&huffmanAccepts != 0
}
