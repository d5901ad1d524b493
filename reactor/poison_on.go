//go:build linux && poison

package reactor

// poison overwrites bytes whose loan has ended, so that a session which holds on to them fails its
// tests.
func poison(b []byte) {
	for i := range b {
		b[i] = 0xdb
	}
}
