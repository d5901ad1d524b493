//go:build poison

package h2

// lend returns a copy of b, which poisonLent overwrites: a test fails if its code keeps borrowed bytes
// beyond the next call.
func lend(b []byte) []byte { return append([]byte{}, b...) }

// poisonLent overwrites the bytes that the last event lent.
func poisonLent(ev *Event) {
	for i := range ev.Data {
		ev.Data[i] = 0xdb
	}
	ev.Data = nil
	for i := range ev.Trailers {
		ev.Trailers[i] = Field{"poisoned", "poisoned"}
	}
	ev.Trailers = nil
	for i := range ev.Response.Fields {
		ev.Response.Fields[i] = Field{"poisoned", "poisoned"}
	}
	ev.Response.Fields = nil
}
