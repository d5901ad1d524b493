//go:build linux

package reactor

// burstKept is how many entries of memory each of a Loop's lists keeps after a burst.
const burstKept = 1 << 12

// emptied returns list without entries, and without its memory if that exceeds burstKept.
func emptied[T any](list []T) []T {
	if cap(list) > burstKept {
		return nil
	}
	return list[:0]
}

// slimmed returns list, in half its memory once it fills only a quarter: so fewer entries are copied than were
// removed since.
func slimmed[T any](list []T) []T {
	if cap(list) <= burstKept || len(list) > cap(list)/4 {
		return list
	}
	return append(make([]T, 0, cap(list)/2), list...)
}
