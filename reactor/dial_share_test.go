//go:build linux

package reactor

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// limited lowers the bounds of started handshakes.
func (s *server) limited(accepted, dialled int) {
	s.tls.pool.mu.Lock()
	defer s.tls.pool.mu.Unlock()
	s.tls.pool.limit, s.tls.dialled.pool.limit = accepted, dialled
	s.tls.pool.slots = 1
}

// waitingHandshakes returns the number of started handshakes whose peers are silent.
func (p *handshakePool) waitingHandshakes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.parked.Len()
}

// secured is a server with a TLS listener of tellers.
func secured(t *testing.T) *server {
	t.Helper()
	r, address := served(t, Config{Logger: testLogger(t)}, ListenerConfig{TLS: serverConfig(t), Open: openTeller})
	return &server{r, t, address.String()}
}

// Dialled handshakes whose peer is silent keep no client waiting, and the reverse.
func TestHandshakesOfOneKindLeaveTheOthersAlone(t *testing.T) {
	const limit, flood = 4, 40
	ca := newAuthority(t)

	t.Run("dialled", func(t *testing.T) {
		s := secured(t)
		s.limited(limit, limit)
		silent := peer(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		d := newDials(t, s.loops[0])
		for range flood {
			d.dialAs(t.Context(), DialConfig{Address: silent, TLS: ca.clientConfig()})
		}
		eventually(t, "they wait for their peer", func() bool { return s.tls.dialled.pool.waitingHandshakes() == limit })
		mustAsk(t, dialTLS(t, addrOf(s.addr), &tls.Config{InsecureSkipVerify: true}), "TLS 1.3")
	})

	t.Run("accepted", func(t *testing.T) {
		s := secured(t)
		s.limited(limit, limit)
		hello := clientHello(t, &tls.Config{InsecureSkipVerify: true})
		for range flood {
			c := s.dial()
			if _, err := c.Write(hello); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "they wait for their clients", func() bool { return s.tls.pool.waitingHandshakes() == limit })
		newDials(t, s.loops[0]).dialTLS(tlsPeer(t, ca.serverConfig()), ca.clientConfig())
	})
}

// A callback of a dialled handshake that waits, for a key service for example, holds no slot.
func TestDialledCallbackHoldsNoSlot(t *testing.T) {
	ca := newAuthority(t)
	s := secured(t)
	s.limited(maxStartedHandshakes, maxDialledHandshakes)
	server := ca.serverConfig()
	server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, ca.Pool()
	entered, leave := make(chan struct{}, 1), make(chan struct{})
	certificate := ca.IssueClient(t, "gateway")
	client := ca.clientConfig()
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		entered <- struct{}{}
		<-leave
		return &certificate, nil
	}
	d := newDials(t, s.loops[0])
	d.dialAs(t.Context(), DialConfig{Address: tlsPeer(t, server), TLS: client})
	await(t, entered)
	mustAsk(t, dialTLS(t, addrOf(s.addr), &tls.Config{InsecureSkipVerify: true}), "TLS 1.3")
	close(leave)
	await(t, d.opened)
	await(t, d.answers)
}

// The pools take turns at the slots, however many handshakes one of them has.
func TestHandshakePoolsTakeTurns(t *testing.T) {
	slots := newHandshakeSlots()
	slots.slots = 0
	accepted, dialled := slots.newPool(1000), slots.newPool(1000)
	config, hello := serverConfig(t), clientHello(t, &tls.Config{InsecureSkipVerify: true})
	var all []*handshake
	begin := func(p *handshakePool) *handshake {
		h, _ := silentHandshake(p, config, hello)
		p.begin(h)
		all = append(all, h)
		return h
	}
	for range 50 {
		begin(accepted)
	}
	late := begin(dialled)
	slots.mu.Lock()
	slots.slots = 2
	slots.schedule()
	state := late.state
	slots.mu.Unlock()
	if state == handshakeQueued {
		t.Error("a dialled handshake waits for all accepted ones")
	}
	for _, h := range all {
		h.cancel(errPeerLeft, func(error) {})
	}
	accepted.wait(nil)
	dialled.wait(nil)
}

func addrOf(address string) net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		panic(err)
	}
	return addr
}
