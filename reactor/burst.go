//go:build linux

package reactor

// burstKept is how many entries of memory each of a Loop's lists keeps after a rush.
const burstKept = 1 << 12

// emptied is list without entries, and without its memory if that is a rush's.
func emptied[T any](list []T) []T {
	if cap(list) > burstKept {
		return nil
	}
	return list[:0]
}

// slimmed is list, in half its memory once it fills a quarter: so what is copied is less than what
// has left since.
func slimmed[T any](list []T) []T {
	if cap(list) <= burstKept || len(list) > cap(list)/4 {
		return list
	}
	return append(make([]T, 0, cap(list)/2), list...)
}
