package main

import (
	"errors"
	"strings"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// backends are the servers behind those of a case, all in one process on the processors of the load.
type backends struct {
	process *process
	ports   []*testport.Reservation
	urls    []string // of app/client
}

// startBackends starts what a case needs behind its servers; nil if nothing.
func (r *runner) startBackends(c *benchCase) (*backends, error) {
	if c.upstream == "" {
		return nil, nil
	}
	b := &backends{}
	var addresses []string
	for range max(c.fanout, 1) {
		port, err := testport.Reserve()
		if err != nil {
			return nil, errors.Join(err, b.release())
		}
		b.ports = append(b.ports, port)
		s := setup{port: port.Port()}
		addresses = append(addresses, s.address())
		b.urls = append(b.urls, map[protocol]string{h1: "http://", h2: "h2c://", h2s: "h2://"}[c.upstream]+s.address())
	}
	s := setup{shared: r.dir}
	argv := []string{r.self, "rival", "backend", strings.Join(addresses, ","), string(c.upstream), s.cert(), s.key()}
	p, err := launch(r.cores.load, 1, argv, addresses[len(addresses)-1])
	if err != nil {
		return nil, errors.Join(err, b.release())
	}
	b.process = p
	return b, nil
}

func (b *backends) release() (err error) {
	for _, port := range b.ports {
		err = errors.Join(err, port.Release())
	}
	return err
}

func (b *backends) stop() {
	if b != nil {
		b.process.stop()
		_ = b.release()
	}
}

// connectionsOf counts the connections that a server has to the backends.
func (b *backends) connectionsOf(p *process) (int, error) {
	if b == nil {
		return 0, nil
	}
	ports := map[int]bool{}
	for _, port := range b.ports {
		ports[port.Port()] = true
	}
	return p.connectionsTo(ports)
}
