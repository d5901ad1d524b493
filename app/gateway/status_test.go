package gateway

import (
	"errors"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/config"
)

func TestStatusFollowsThePeers(t *testing.T) {
	b := group(t, config.Backend{Eject: &config.Eject{Failures: 1}}, 1, 2, 3)
	now := time.Now()
	first := b.set.Load().peers[0]
	l := &loopState{index: 3}
	first.countsOn(l).responded(200, time.Millisecond)
	first.countsOn(&loopState{index: 3 + countPlaces}).responded(503, time.Millisecond)
	first.countsOn(l).failed(UpstreamEOF)
	first.countsOn(l).failed(ClientGone) // not the peer's
	first.failed(false, false, errors.New("it is out"), now)
	b.set.Load().peers[1].unhealthy.Store(true)

	s := b.Status()
	if s.Name != "group" || s.BuiltIn || len(s.Peers) != 3 {
		t.Fatalf("status %+v", s)
	}
	p := &s.Peers[0]
	if p.State != "ejected" || p.Usable() || !p.Healthy || !p.Until.After(now) || p.Weight != 1 || p.URL != "http://10.0.0.1:80" {
		t.Errorf("the ejected peer: %+v", p)
	}
	if p.Statuses != [6]uint64{2: 1, 5: 1} || p.Failures[UpstreamEOF] != 1 || p.Failures[ClientGone] != 0 || p.Latency.Count() != 2 {
		t.Errorf("its counters: %v %v %d", p.Statuses, p.Failures, p.Latency.Count())
	}
	if q := &s.Peers[1]; q.Healthy || q.Usable() || q.State != "in-use" || !q.Until.IsZero() {
		t.Errorf("the unhealthy peer: %+v", q)
	}
	if r := &s.Peers[2]; !r.Usable() || r.Weight != 3 {
		t.Errorf("the third peer: %+v", r)
	}
	first.move(first.stands(), first.stands()|probed)
	if got := b.Status().Peers[0].State; got != "probed" {
		t.Errorf("state %q, want probed", got)
	}
}

func TestStatusOfTheBuiltInApplication(t *testing.T) {
	b := &Backend{name: "own", builtIn: func(*app.Request) app.Answer { return app.Ready(app.Error(404, "")) }}
	if s := b.Status(); s.Name != "own" || !s.BuiltIn || s.Peers != nil {
		t.Errorf("status %+v", s)
	}
}
