package rate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func mustLimit(t *testing.T, count float64, per time.Duration, burst int) Limit {
	t.Helper()
	l, err := NewLimit(count, per, burst)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestNewLimit(t *testing.T) {
	for _, c := range []struct {
		count float64
		per   time.Duration
		burst int
		want  Limit
	}{
		{10, 0, 0, Limit{100 * time.Millisecond, 10}},
		{10, time.Second, 3, Limit{100 * time.Millisecond, 3}},
		{0.5, 0, 0, Limit{2 * time.Second, 1}},
		{60, time.Minute, 0, Limit{time.Second, 1}},
	} {
		if got := mustLimit(t, c.count, c.per, c.burst); got != c.want {
			t.Errorf("%v in %v, burst %d: %+v, want %+v", c.count, c.per, c.burst, got, c.want)
		}
	}
	for _, c := range []struct {
		count float64
		per   time.Duration
		burst int
	}{{0, 0, 0}, {-1, 0, 0}, {1, -1, 0}, {1, 0, -1}, {1e-9, 0, 100}} {
		if l, err := NewLimit(c.count, c.per, c.burst); err == nil {
			t.Errorf("%v in %v, burst %d: %+v, want an error", c.count, c.per, c.burst, l)
		}
	}
}

// A burst passes at once, then one event per interval, and a whole burst again after its span.
func TestTake(t *testing.T) {
	l := mustLimit(t, 10, 0, 3)
	var word atomic.Int64
	now := int64(time.Hour)
	for left := 2; left >= 0; left-- {
		if o := l.Take(&word, now); o.Wait != 0 || o.Remaining != left {
			t.Fatalf("with %d left: %+v", left, o)
		}
	}
	for range 5 { // refused events do not count
		if o := l.Take(&word, now); o.Wait != l.Interval || o.Full != l.Span() {
			t.Fatalf("beyond the burst: %+v", o)
		}
	}
	now += int64(l.Interval)
	if o := l.Take(&word, now); o.Wait != 0 || o.Remaining != 0 {
		t.Errorf("an interval later: %+v", o)
	}
	if o := l.Take(&word, now); o.Wait != l.Interval {
		t.Errorf("right behind: %+v", o)
	}
	now += int64(l.Span())
	if o := l.Take(&word, now); o.Remaining != 2 {
		t.Errorf("a span later: %+v", o)
	}
}

// Over any time, as many events pass as the rate and one burst allow, whenever they come.
func TestTakeKeepsTheRate(t *testing.T) {
	l := mustLimit(t, 100, 0, 20)
	random := rand.New(rand.NewPCG(1, 2))
	var word atomic.Int64
	const begin = int64(time.Hour)
	now, passed := begin, 0
	for range 20_000 {
		now += random.Int64N(int64(l.Interval) / 2)
		if l.Take(&word, now).Wait == 0 {
			passed++
		}
	}
	most := int((now-begin)/int64(l.Interval)) + l.Burst
	if passed > most || passed < most-l.Burst-1 {
		t.Errorf("%d events passed, want at most %d and hardly fewer", passed, most)
	}
}

// Goroutines that count at once do not pass more than a burst together.
func TestTakeAtOnce(t *testing.T) {
	l := mustLimit(t, 1, time.Hour, 50)
	var word atomic.Int64
	var passed atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if l.Take(&word, int64(time.Hour)).Wait == 0 {
					passed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := passed.Load(); n != 50 {
		t.Errorf("%d events passed, want 50", n)
	}
}

// Each key of a table has a rate of its own. The table forgets keys when it is full, and counts those that were in use.
func TestTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustLimit(t, 1, 0, 1)
		table := NewTable(8)
		now := table.Clock(time.Now())
		one, two := table.OfText("one"), table.OfText("two")
		if l.Count(table, one, now).Wait != 0 || l.Count(table, two, now).Wait != 0 {
			t.Error("a first event does not pass")
		}
		if l.Count(table, one, now).Wait == 0 {
			t.Error("a second event passes")
		}
		time.Sleep(time.Second)
		if now = table.Clock(time.Now()); l.Count(table, one, now).Wait != 0 {
			t.Error("an event a second later does not pass")
		}
		for i := range 100 {
			l.Count(table, table.OfText(fmt.Sprint(i)), now)
		}
		if n := table.Evicted(); n == 0 || n > 101 {
			t.Errorf("%d keys were forgotten, of 101", n)
		}
		table.Refuse(two, now, now+int64(time.Minute))
		if got := l.Count(table, two, now).Wait; got != time.Minute {
			t.Errorf("the key refused for a minute waits %v", got)
		}
		if got := table.Until(two, now); got != now+int64(time.Minute) {
			t.Errorf("it counts until %d", got)
		}
	})
}

// A client is an IPv4 address, mapped to IPv6 or not, or a network of 64 bits.
func TestOfAddress(t *testing.T) {
	table := NewTable(0)
	key := func(text string) uint64 { return table.OfAddress(netip.MustParseAddr(text)) }
	if key("192.0.2.1") != key("::ffff:192.0.2.1") || key("2001:db8::1") != key("2001:db8::2") {
		t.Error("one client has two keys")
	}
	if key("192.0.2.1") == key("192.0.2.2") || key("2001:db8::1") == key("2001:db8:0:1::1") {
		t.Error("two clients have one key")
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0", -time.Second: "0", 1: "1", time.Second: "1", time.Second + 1: "2"} {
		if got := Seconds(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
