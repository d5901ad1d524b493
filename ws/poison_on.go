//go:build poison

package ws

// lending hands out payloads as copies and overwrites them at the next call, so that a
// caller who keeps one fails a test.
type lending struct{ lent []byte }

func (l *lending) lend(ev *Event) {
	if ev.Data != nil {
		l.lent = append([]byte{}, ev.Data...)
		ev.Data = l.lent
	}
}

func (l *lending) reclaim() {
	for i := range l.lent {
		l.lent[i] = 0xDB
	}
	l.lent = nil
}
