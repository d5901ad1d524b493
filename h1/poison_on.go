//go:build poison

package h1

// Built with the tag poison, the machine spoils what it lent as soon as the
// loan ends, so that whoever kept it fails a test.

const poisoned = "h1: this slice was borrowed"

func poisonEvent(ev *Event) {
	for _, fields := range [][]Field{ev.Head.Fields, ev.Trailers} {
		fields = fields[:cap(fields)]
		for i := range fields {
			fields[i] = Field{poisoned, poisoned}
		}
	}
}

func poisonBytes(p []byte) {
	for i := range p {
		p[i] = 0xdb
	}
}
