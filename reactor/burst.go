//go:build linux

package reactor

// burstKept is the capacity, in entries, that each list of a Loop keeps after a burst.
const burstKept = 1 << 12

// emptied returns list without entries, and without its memory if that exceeds burstKept.
func emptied[T any](list []T) []T {
	if cap(list) > burstKept {
		return nil
	}
	return list[:0]
}

// shrunk returns list. A list that fills at most a quarter of its capacity, and has more than burstKept, is copied to
// half the capacity, so that fewer entries are copied than were removed.
func shrunk[T any](list []T) []T {
	if cap(list) <= burstKept || len(list) > cap(list)/4 {
		return list
	}
	return append(make([]T, 0, cap(list)/2), list...)
}
