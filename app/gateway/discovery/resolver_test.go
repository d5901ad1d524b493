package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func texts(addresses []netip.Addr) string {
	var words []string
	for _, a := range addresses {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}

func TestAddresses(t *testing.T) {
	s := startNameServer(t)
	s.set("two.test.", "A", "two.test. 7 A 10.0.0.1", "two.test. 9 A 10.0.0.2")
	s.set("two.test.", "AAAA", "two.test. 8 AAAA 2001:db8::1")
	s.set("alias.test.", "A", "alias.test. 2 CNAME two.test.", "two.test. 7 A 10.0.0.1")
	s.set("short.domain.test.", "A", "short.domain.test. 60 A 10.0.0.3")
	s.set("a.b.domain.test.", "A", "a.b.domain.test. 60 A 10.0.0.4")
	s.set("a.b.", "A", "a.b. 60 A 10.0.0.5")
	s.set("day.test.", "A", "day.test. 86400 A 10.0.0.6")
	r := resolver(t, []string{s.address}, "search domain.test", "options ndots:1")
	many := resolver(t, []string{s.address}, "search domain.test", "options ndots:2")
	for _, c := range []struct {
		name string
		r    *Resolver
		want string
		ttl  time.Duration
	}{
		{"10.1.2.3", r, "10.1.2.3", maxTTL},
		{"[2001:db8::2]", r, "2001:db8::2", maxTTL},
		{"local.test", r, "127.0.0.9 ::1", hostsTTL},
		{"two.test", r, "10.0.0.1 10.0.0.2 2001:db8::1", 7 * time.Second},
		{"two.test.", r, "10.0.0.1 10.0.0.2 2001:db8::1", 7 * time.Second},
		{"alias.test", r, "10.0.0.1", 2 * time.Second},
		{"short", r, "10.0.0.3", time.Minute},
		{"a.b", r, "10.0.0.5", time.Minute},    // as many dots as ndots: the name itself first
		{"a.b", many, "10.0.0.4", time.Minute}, // fewer: the search list first
		{"day.test", r, "10.0.0.6", maxTTL},
		{"none.test", r, "", 0},
	} {
		got, ttl, err := c.r.Addresses(context.Background(), c.name)
		if texts(got) != c.want || ttl != c.ttl || (err != nil) != (c.want == "") {
			t.Errorf("%s: %s for %v (%v), want %s for %v", c.name, texts(got), ttl, err, c.want, c.ttl)
		}
	}
}

func TestTruncatedAnswersComeOverTCP(t *testing.T) {
	s := startNameServer(t)
	s.set("x.test.", "A", "x.test. 60 A 10.0.0.1")
	s.change(func(s *nameServer) { s.cut = true })
	got, _, err := resolver(t, []string{s.address}).Addresses(context.Background(), "x.test")
	if texts(got) != "10.0.0.1" || s.overTCP == 0 {
		t.Errorf("got %s (%v), %d questions over TCP", texts(got), err, s.overTCP)
	}
}

// The next server is asked if one does not answer, or fails.
func TestServersTakeOver(t *testing.T) {
	broken, good := startNameServer(t), startNameServer(t)
	broken.change(func(s *nameServer) { s.rcode = dns.RcodeServerFailure })
	good.set("x.test.", "A", "x.test. 60 A 10.0.0.1")
	got, _, err := resolver(t, []string{broken.address, good.address}).Addresses(context.Background(), "x.test")
	if texts(got) != "10.0.0.1" {
		t.Errorf("got %s (%v)", texts(got), err)
	}
	if _, _, err := resolver(t, []string{broken.address}).Addresses(context.Background(), "x.test"); err == nil || !strings.Contains(err.Error(), "SERVFAIL") {
		t.Errorf("got %v, want SERVFAIL", err)
	}
}

func TestServices(t *testing.T) {
	s := startNameServer(t)
	s.set("_x._tcp.test.", "SRV", "_x._tcp.test. 30 SRV 1 10 8080 a.test.", "_x._tcp.test. 30 SRV 1 30 8081 b.test.", "_x._tcp.test. 30 SRV 2 0 8082 a.test.")
	s.set("a.test.", "A", "a.test. 20 A 10.0.0.1")
	s.set("b.test.", "A", "b.test. 40 A 10.0.0.2", "b.test. 40 A 10.0.0.3")
	s.set("_none._tcp.test.", "SRV", "_none._tcp.test. 30 SRV 0 0 0 .")
	n := &Name{Scheme: "h2c", Host: "_x._tcp.test", SRV: true, Resolver: resolver(t, []string{s.address})}
	got, ttl, err := n.lookUp(context.Background(), n.Resolver)
	want := []Endpoint{
		{"h2c://a.test:8080", "10.0.0.1:8080", 10, 1},
		{"h2c://a.test:8082", "10.0.0.1:8082", 1, 2},
		{"h2c://b.test:8081", "10.0.0.2:8081", 30, 1},
		{"h2c://b.test:8081", "10.0.0.3:8081", 30, 1},
	}
	if err != nil || ttl != 20*time.Second || !slices.Equal(got, want) {
		t.Errorf("got %v for %v (%v), want %v", got, ttl, err, want)
	}
	n.Host = "_none._tcp.test"
	if got, _, err := n.lookUp(context.Background(), n.Resolver); err != nil || len(got) != 0 {
		t.Errorf("no service: got %v (%v)", got, err)
	}
}

// Records change, vanish, come late and come again; what is known stays in force meanwhile.
func TestANameIsLookedUpAgain(t *testing.T) {
	s := startNameServer(t)
	s.set("x.test.", "A", "x.test. 1 A 10.0.0.1")
	failures := make(chan error, 100)
	n := &Name{Scheme: "http", Host: "x.test", Port: "80", Resolver: resolver(t, []string{s.address}), Failed: func(err error) { failures <- err }}
	w := watchSource(t, n)
	w.want("10.0.0.1:80")
	s.set("x.test.", "A", "x.test. 1 A 10.0.0.2", "x.test. 1 A 10.0.0.1")
	w.want("10.0.0.1:80", "10.0.0.2:80")
	s.set("x.test.", "A") // vanished
	if err := <-failures; !errors.Is(err, errNotFound) {
		t.Errorf("vanished: %v", err)
	}
	for before := n.Failures(); n.Failures() < before+1; time.Sleep(time.Millisecond) {
		// The next failure is counted, and not told.
	}
	s.set("x.test.", "A", "x.test. 1 A 10.0.0.3")
	w.want("10.0.0.3:80") // and nothing else was found in between
	s.change(func(s *nameServer) { s.mute = true })
	if err := <-failures; !strings.Contains(err.Error(), "timeout") {
		t.Errorf("mute: %v", err)
	}
	s.change(func(s *nameServer) { s.mute = false })
	s.set("x.test.", "A", "x.test. 1 A 10.0.0.4")
	w.want("10.0.0.4:80")
	w.stop()
	if n.Failures() < 3 || len(failures) != 0 {
		t.Errorf("%d failures are counted, %d more were told", n.Failures(), len(failures))
	}
}

func TestALookUpThatIsInProgressEndsWithTheSource(t *testing.T) {
	s := startNameServer(t)
	s.change(func(s *nameServer) { s.mute = true })
	w := watchSource(t, &Name{Scheme: "http", Host: "x.test", Port: "80", Resolver: resolver(t, []string{s.address}, "options timeout:600")})
	for asked := 0; asked == 0; time.Sleep(time.Millisecond) {
		s.change(func(s *nameServer) { asked = len(s.asked) })
	}
	began := time.Now()
	w.stop()
	if took := time.Since(began); took > patience {
		t.Errorf("it took %v", took)
	}
}

func TestSourcesAreJoined(t *testing.T) {
	s := startNameServer(t)
	for i := range 3 {
		name := fmt.Sprintf("%d.test.", i)
		s.set(name, "A", name+" 60 A 10.0.0."+fmt.Sprint(i%2))
	}
	r := resolver(t, []string{s.address})
	w := watchSource(t, Join(
		&Name{Scheme: "http", Host: "0.test", Port: "80", Resolver: r},
		&Name{Scheme: "http", Host: "1.test", Port: "80", Resolver: r},
		&Name{Scheme: "http", Host: "0.test", Port: "80", Resolver: r}, // found twice, counted once
		Fixed{{URL: "http://fixed:1"}},
	))
	w.want("10.0.0.0:80", "10.0.0.1:80", "http://fixed:1")
}
