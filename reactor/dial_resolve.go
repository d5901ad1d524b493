//go:build linux

package reactor

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/linked"
)

const (
	// maxLookups bounds the look-ups of names that run at the same time; each takes a goroutine. Further ones wait,
	// within the time of their dial.
	maxLookups = 64
	// lookupDescriptors is the number of descriptors that a look-up may hold: two questions, and a file.
	lookupDescriptors = 3
)

var errNoAddress = errors.New("no suitable address")

// locate finds the targets of a dial and connects to them. Addresses need no look-up, names take a goroutine.
func (c *Conn) locate(d *dialling) {
	d.stage = DialResolve
	switch network := d.config.Network; network {
	case "unix":
		d.targets = []target{{family: unix.AF_UNIX, address: &unix.SockaddrUnix{Name: d.config.Address}}}
		c.connect(d)
		return
	case "tcp", "tcp4", "tcp6":
	default:
		c.close(net.UnknownNetworkError(network))
		return
	}
	host, service, err := net.SplitHostPort(d.config.Address)
	if err != nil {
		c.close(err)
		return
	}
	ip, port, ok := literal(d.config.Network, host, service)
	switch {
	case !ok:
		c.lookUp(d, host, service)
	case !suits(d.config.Network, ip):
		c.close(errNoAddress)
	default:
		d.targets = []target{targetTo(ip, port, 0)}
		c.connect(d)
	}
}

// literal returns the address that host and service are, without a look-up. An empty host is this machine.
func literal(network, host, service string) (ip netip.Addr, port uint16, ok bool) {
	number, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return ip, 0, false
	}
	switch {
	case host == "" && network == "tcp6":
		ip = netip.IPv6Loopback()
	case host == "":
		ip = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	default:
		if ip, err = netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return ip, 0, false
		}
	}
	return ip, uint16(number), true
}

// suits reports whether network has addresses of the family of ip.
func suits(network string, ip netip.Addr) bool {
	return network == "tcp" || ip.Unmap().Is4() == (network == "tcp4")
}

// lookup is the look-up of the addresses of a dial.
type lookup struct {
	linked.Links[lookup] // in lookups.waiting

	ctx           context.Context
	cancel        func()
	network       string
	host, service string
	waiting       bool // under lookups.mu
	over          func([]target, error)
	of            *lookups
}

// lookups bounds the look-ups that run at the same time. Safe for concurrent use.
type lookups struct {
	running atomic.Int64 // written under mu

	mu      sync.Mutex
	waiting linked.List[lookup, *lookup]
}

// lookUp has the name of a dial looked up, and connects to its addresses afterwards.
func (c *Conn) lookUp(d *dialling, host, service string) {
	r, h := c.loop.Load().reactor, c.Handle()
	k := &lookup{network: d.config.Network, host: host, service: service, of: &r.lookups}
	k.ctx, k.cancel = context.WithCancel(r.life)
	k.over = func(targets []target, err error) {
		h.Post(func(c *Conn) { c.located(k, targets, err) })
	}
	d.lookup = k
	r.lookups.start(k)
}

// located continues a dial after its look-up.
func (c *Conn) located(k *lookup, targets []target, err error) {
	d := c.dialling()
	if d == nil || d.lookup != k {
		return
	}
	d.lookup = nil
	if err != nil {
		c.close(err)
		return
	}
	d.targets = targets
	c.connect(d)
}

// endLookup ends the look-up of a dial that has ended.
func (d *dialling) endLookup() {
	k := d.lookup
	if k == nil {
		return
	}
	d.lookup = nil
	k.cancel()
	k.of.mu.Lock()
	defer k.of.mu.Unlock()
	if k.waiting {
		k.waiting = false
		k.of.waiting.Remove(k)
	}
}

// start runs k, or has it wait for one that runs.
func (s *lookups) start(k *lookup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running.Load() >= maxLookups {
		k.waiting = true
		s.waiting.Push(k)
		return
	}
	s.running.Add(1)
	go s.run(k)
}

// run runs k, and those that wait.
func (s *lookups) run(k *lookup) {
	for k != nil {
		k.over(k.find())
		k.cancel()
		k = s.next()
	}
}

// next returns a waiting look-up; nil if there is none, and the caller must end.
func (s *lookups) next() *lookup {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting.Len() == 0 {
		s.running.Add(-1)
		return nil
	}
	k := s.waiting.Pop()
	k.waiting = false
	return k
}

// find asks the resolver of the system. The result is in the order of RFC 6724.
func (k *lookup) find() (targets []target, err error) {
	port, err := net.DefaultResolver.LookupPort(k.ctx, k.network, k.service)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(k.ctx, "ip"+k.network[len("tcp"):], k.host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		if suits(k.network, ip) {
			targets = append(targets, targetTo(ip, uint16(port), zoneIndex(ip.Zone())))
		}
	}
	if len(targets) == 0 {
		return nil, errNoAddress
	}
	return targets, nil
}

// zoneIndex returns the index of the interface that zone names; 0 if there is none.
func zoneIndex(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(number)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	return 0
}
