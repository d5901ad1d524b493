package discovery

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// Resolver looks names up with their times to live, as resolv.conf and the hosts file say.
// Both are read for each look-up, so that changes count. Any goroutine may use it.
type Resolver struct {
	// Config is the path of resolv.conf(5): its name servers, search domains and options
	// ndots, timeout and attempts count.
	Config string
	// Hosts is the path of hosts(5), whose addresses come before those of name servers.
	Hosts string
}

// System is the resolver of the system's files.
var System = &Resolver{Config: "/etc/resolv.conf", Hosts: "/etc/hosts"}

// hostsTTL is how long addresses of the hosts file, which has no times, are used.
const hostsTTL = 5 * time.Second

// Service is an SRV record (RFC 2782).
type Service struct {
	Target   string
	Port     uint16
	Weight   int
	Priority int
}

// Addresses returns the addresses of a host: A and AAAA records, CNAMEs followed, and how
// long they may be used. It fails if there are none.
func (r *Resolver) Addresses(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	host = strings.Trim(host, "[]")
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, maxTTL, nil
	}
	if found := r.hosts(host); len(found) > 0 {
		return found, hostsTTL, nil
	}
	var addresses []netip.Addr
	ttl, err := r.query(ctx, host, []uint16{dns.TypeA, dns.TypeAAAA}, func(record dns.RR) {
		switch a := record.(type) {
		case *dns.A:
			if address, ok := netip.AddrFromSlice(a.A); ok {
				addresses = append(addresses, address.Unmap())
			}
		case *dns.AAAA:
			if address, ok := netip.AddrFromSlice(a.AAAA); ok {
				addresses = append(addresses, address)
			}
		}
	})
	return addresses, ttl, err
}

// Services returns the SRV records of a name, and how long they may be used. It fails if
// there are none. A single record with the target "." means that there is no service: the
// list is empty then.
func (r *Resolver) Services(ctx context.Context, name string) ([]Service, time.Duration, error) {
	var services []Service
	ttl, err := r.query(ctx, name, []uint16{dns.TypeSRV}, func(record dns.RR) {
		if s, ok := record.(*dns.SRV); ok {
			services = append(services, Service{Target: s.Target, Port: s.Port, Weight: int(s.Weight), Priority: int(s.Priority)})
		}
	})
	if len(services) == 1 && services[0].Target == "." {
		services = nil
	}
	return services, ttl, err
}

var errNotFound = errors.New("no such name, or it has no records of that type")

// query asks for records of a name, as resolv.conf says. It visits the records of the first
// candidate that has some of the types; ttl is the shortest of them.
func (r *Resolver) query(ctx context.Context, name string, types []uint16, visit func(dns.RR)) (ttl time.Duration, err error) {
	config, err := dns.ClientConfigFromFile(r.Config)
	if err != nil {
		return 0, fmt.Errorf("reading the configuration of the resolver: %w", err)
	}
	if len(config.Servers) == 0 {
		config.Servers = []string{"127.0.0.1"} // resolv.conf(5)
	}
	err = errNotFound
	for _, candidate := range candidates(config, name) {
		var records []dns.RR
		var failure error
		for _, t := range types {
			found, err := exchange(ctx, config, candidate, t)
			if err != nil {
				failure = err
				break
			}
			records = append(records, found...)
		}
		switch {
		case failure != nil:
			// A half of the addresses would look as if the others had gone.
			return 0, fmt.Errorf("looking up %s: %w", candidate, failure)
		case len(records) > 0:
			return visitAll(records, visit), nil
		}
	}
	return 0, fmt.Errorf("looking up %s: %w", name, err)
}

// candidates returns the names to ask for, as the search list and ndots say.
func candidates(config *dns.ClientConfig, name string) []string {
	if dns.IsFqdn(name) {
		return []string{name}
	}
	whole := dns.Fqdn(name)
	names := make([]string, 0, len(config.Search)+1)
	enough := strings.Count(name, ".") >= config.Ndots
	if enough {
		names = append(names, whole)
	}
	for _, domain := range config.Search {
		if n := dns.Fqdn(name + "." + strings.TrimPrefix(domain, ".")); domain != "." {
			names = append(names, n)
		}
	}
	if !enough {
		names = append(names, whole)
	}
	return names
}

// visitAll visits records and returns their shortest time to live.
func visitAll(records []dns.RR, visit func(dns.RR)) time.Duration {
	ttl := maxTTL
	for _, record := range records {
		ttl = min(ttl, time.Duration(record.Header().Ttl)*time.Second)
		visit(record)
	}
	return ttl
}

// exchange asks the servers in order, as often as resolv.conf says. It returns the records
// of the type, with the CNAMEs that lead to them; nil if there are none.
func exchange(ctx context.Context, config *dns.ClientConfig, name string, t uint16) ([]dns.RR, error) {
	var failure error
	for range max(config.Attempts, 1) {
		for _, server := range config.Servers {
			answer, err := ask(ctx, config, server, name, t)
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				failure = err
			case answer.Rcode == dns.RcodeSuccess || answer.Rcode == dns.RcodeNameError:
				return recordsOf(answer, t), nil
			default:
				failure = fmt.Errorf("%s answers %s", server, dns.RcodeToString[answer.Rcode])
			}
		}
	}
	return nil, failure
}

// ask asks one server, over TCP if the answer does not fit a datagram.
func ask(ctx context.Context, config *dns.ClientConfig, server, name string, t uint16) (*dns.Msg, error) {
	question := new(dns.Msg)
	question.SetQuestion(name, t)
	question.SetEdns0(1232, false)
	address := net.JoinHostPort(server, config.Port)
	if _, _, err := net.SplitHostPort(server); err == nil {
		address = server // tests have servers on other ports
	}
	timeout := time.Duration(max(config.Timeout, 1)) * time.Second
	answer, err := converse(ctx, "udp", address, timeout, question)
	if answer != nil && answer.Truncated {
		answer, err = converse(ctx, "tcp", address, timeout, question)
	}
	return answer, err
}

// converse sends a question and waits for the answer, until ctx ends.
func converse(ctx context.Context, network, address string, timeout time.Duration, question *dns.Msg) (*dns.Msg, error) {
	c := &dns.Client{Net: network, Timeout: timeout}
	conn, err := c.DialContext(ctx, address)
	if err != nil {
		return nil, err
	}
	// A client of package dns waits for its timeout even after the end of ctx.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	answer, _, err := c.ExchangeWithConnContext(ctx, question, conn)
	return answer, err
}

// recordsOf returns the records of a type, with the CNAMEs before them.
func recordsOf(answer *dns.Msg, t uint16) (records []dns.RR) {
	some := false
	for _, record := range answer.Answer {
		switch record.Header().Rrtype {
		case t:
			some = true
			records = append(records, record)
		case dns.TypeCNAME:
			records = append(records, record)
		}
	}
	if !some {
		return nil
	}
	return records
}

// hosts returns the addresses of a name in the hosts file.
func (r *Resolver) hosts(name string) (found []netip.Addr) {
	file, err := os.Open(r.Hosts)
	if err != nil {
		return nil // there may be none
	}
	defer func() { _ = file.Close() }()
	name = strings.TrimSuffix(name, ".")
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		address, err := netip.ParseAddr(words[0])
		for _, word := range words[1:] {
			if err == nil && octets.EqualFold(strings.TrimSuffix(word, "."), name) {
				found = append(found, address)
				break
			}
		}
	}
	return found
}
