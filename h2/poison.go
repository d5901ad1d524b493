//go:build poison

package h2

// lend gives a copy of what is lent, which poisonLent spoils: a caller that keeps borrowed
// bytes beyond the next call sees it in a test.
func lend(b []byte) []byte { return append([]byte{}, b...) }

// poisonLent spoils what the last event lent.
func poisonLent(ev *Event) {
	for i := range ev.Data {
		ev.Data[i] = 0xdb
	}
	ev.Data = nil
	for i := range ev.Trailers {
		ev.Trailers[i] = Field{"poisoned", "poisoned"}
	}
	ev.Trailers = nil
}
