package files

import "testing"

// A request that is answered while the directory is closed may be late.
func TestACacheStaysEmptyOnceItIsClosed(t *testing.T) {
	var c cache
	c.put("early", &choice{})
	c.close()
	c.put("late", &choice{})
	for _, key := range []string{"early", "late"} {
		if _, held := c.entries.Load(key); held {
			t.Errorf("%s is held", key)
		}
	}
}
