//go:build poison

package h1

// Built with the tag poison, the machine overwrites borrowed memory as soon as the
// loan ends, so that a test fails if its user has kept it.

const poisoned = "h1: this slice was borrowed"

func poisonEvent(ev *Event) { poisonFields(ev.Head.Fields, ev.Trailers) }

func poisonClientEvent(ev *ClientEvent) { poisonFields(ev.Head.Fields, ev.Trailers) }

func poisonFields(lists ...[]Field) {
	for _, fields := range lists {
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
