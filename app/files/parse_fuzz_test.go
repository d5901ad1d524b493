package files

import "testing"

func FuzzRange(f *testing.F) {
	for _, field := range []string{"bytes=0-1", "bytes=-5,1-2", "bytes=5-", "lines=1", "bytes=9223372036854775807-", "bytes=0-0,,"} {
		f.Add(field, int64(10))
	}
	f.Fuzz(func(t *testing.T, field string, size int64) {
		if size < 0 {
			return
		}
		spans, err := parseRange(field, size)
		total := int64(0)
		for _, s := range spans {
			if err != nil || s.start < 0 || s.length <= 0 || s.start > size-s.length {
				t.Fatalf("%q of %d: %v, %v", field, size, spans, err)
			}
			total += s.length
		}
		if total > size {
			t.Fatalf("%q of %d: %d bytes in all", field, size, total)
		}
	})
}
