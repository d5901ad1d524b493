//go:build linux

package metrics

import (
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/app/gateway"
)

// maxPeers limits the peers of all backends that have series of their own. What is found beyond, by a look-up of a name
// for example, counts together as otherPeers of its backend.
const (
	maxPeers   = 500
	otherPeers = "other"
)

// gateway emits the counters of a gateway.
func (e emitter) gateway(n *gateway.Counts, backends []gateway.BackendStatus) {
	for reason, count := range n.Exchanges {
		e.counter(exchanges, float64(count), gateway.Reason(reason).String())
	}
	e.gauge(tunnels, float64(n.Tunnels))
	e.counter(lookUps, float64(n.FailedLookUps))
	e.counter(mirrored, float64(n.Mirrors.Sent), "sent")
	e.counter(mirrored, float64(n.Mirrors.Failed), "failed")
	e.counter(mirrored, float64(n.Mirrors.Skipped), "skipped")
	shown := 0
	for _, b := range backends {
		var others *gateway.PeerStatus
		names := map[string]bool{}
		for i := range b.Peers {
			p := &b.Peers[i]
			switch name := peerName(p); {
			case shown < maxPeers && !names[name]:
				names[name] = true
				shown++
				e.peer(b.Name, name, p)
			case others == nil:
				others = p
			default:
				combine(others, p)
			}
		}
		if others != nil {
			e.peer(b.Name, otherPeers, others)
		}
	}
}

// peerName returns the value of the label peer: the URL, and the address where the URL has a name.
func peerName(p *gateway.PeerStatus) string {
	name := p.URL
	if p.Address != "" {
		name += " (" + p.Address + ")"
	}
	return strings.ToValidUTF8(name, "�")
}

// combine adds the counters of p to total. Together they are usable if one is.
func combine(total, p *gateway.PeerStatus) {
	if p.Usable() && !total.Usable() {
		total.State, total.Healthy = p.State, p.Healthy
	}
	for i := range p.Statuses {
		total.Statuses[i] += p.Statuses[i]
	}
	for i := range p.Failures {
		total.Failures[i] += p.Failures[i]
	}
	total.Latency.Add(&p.Latency)
	c := &total.Connections
	c.Active += p.Connections.Active
	c.Waiting += p.Connections.Waiting
	c.Connections += p.Connections.Connections
	c.Dials += p.Connections.Dials
	c.Retries += p.Connections.Retries
	c.Connect.Add(&p.Connections.Connect)
}

// peer emits the counters of a peer. Failures of a kind that has not occurred are left out.
func (e emitter) peer(backend, peer string, p *gateway.PeerStatus) {
	for class := 1; class < len(p.Statuses); class++ {
		e.counter(peerResponses, float64(p.Statuses[class]), backend, peer, strconv.Itoa(class)+"xx")
	}
	for reason, n := range p.Failures {
		if r := gateway.Reason(reason); n > 0 || r == gateway.ConnectFail {
			e.counter(peerFailures, float64(n), backend, peer, r.String())
		}
	}
	c := &p.Connections
	e.gauge(peerActive, float64(c.Active), backend, peer)
	e.gauge(peerWaiting, float64(c.Waiting), backend, peer)
	e.gauge(peerConns, float64(c.Connections), backend, peer)
	e.counter(peerDials, float64(c.Dials), backend, peer)
	e.counter(peerRetries, float64(c.Retries), backend, peer)
	e.flag(peerHealthy, p.Healthy, backend, peer)
	e.flag(peerEjected, p.State == "ejected" || p.State == "probed", backend, peer)
	e.flag(peerUsable, p.Usable(), backend, peer)
	e.times(peerLatency, p.Latency, backend, peer)
	e.times(peerConnect, c.Connect, backend, peer)
}
