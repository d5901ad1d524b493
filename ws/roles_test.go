package ws

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A conversation is both roles with a transport between them that cuts what they send.
type conversation struct {
	rng    *rand.Rand
	ends   [2]*player  // by Role
	said   [2][]string // what the peer's application must see, by Role
	bodies [2][][]byte // messages sent, by Role
	cut    func(rng *rand.Rand, n int) int
}

// cuts are the ways in which a transport divides n bytes.
var cuts = map[string]func(rng *rand.Rand, n int) int{
	"whole":    func(_ *rand.Rand, n int) int { return n },
	"bytewise": func(*rand.Rand, int) int { return 1 },
	"anywhere": func(rng *rand.Rand, n int) int { return 1 + rng.IntN(n) },
}

// Whatever a client says a server understands, and the other way round: with every
// combination of the parameters of compression that two policies can agree on.
func TestRolesUnderstandEachOther(t *testing.T) {
	seed := uint64(0)
	for contexts := range 16 {
		for _, bits := range [][2]uint8{{15, 15}, {9, 15}, {12, 9}} {
			client := &DeflatePolicy{ServerContext: contexts&1 != 0, ClientContext: contexts&2 != 0, ServerWindowBits: bits[0], ClientWindowBits: bits[1]}
			server := &DeflatePolicy{ServerContext: contexts&4 != 0, ClientContext: contexts&8 != 0, ServerWindowBits: bits[1], ClientWindowBits: bits[0]}
			_, atClient, atServer := openBoth(t, client, server, contexts%2 == 0)
			if atClient != atServer {
				t.Fatalf("client has %+v, server %+v", atClient, atServer)
			}
			seed++
			converseAll(t, atClient, seed)
		}
	}
	for _, bits := range []uint8{8, 10} {
		seed++
		converseAll(t, Deflate{On: true, ServerWindowBits: bits, ClientWindowBits: bits}, seed)
	}
	converseAll(t, Deflate{}, seed+1)
}

func converseAll(t *testing.T, ext Deflate, seed uint64) {
	for name, cut := range cuts {
		t.Run(fmt.Sprintf("%s %+v", name, ext), func(t *testing.T) { converse(t, ext, seed, cut) })
	}
}

func converse(t *testing.T, ext Deflate, seed uint64, cut func(*rand.Rand, int) int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &conversation{rng: rng, cut: cut}
	for role := range c.ends {
		c.ends[role] = newPlayer(Role(role), ext, &Settings{CompressFrom: 1, Fragment: rng.IntN(3) * 700})
	}
	for range 30 {
		c.say(t, Role(rng.IntN(2)))
		if rng.IntN(3) == 0 {
			c.exchange()
		}
	}
	c.exchange()
	first := Role(rng.IntN(2))
	if err := c.ends[first].conn.Close(CloseNormal, "bye"); err != nil {
		t.Fatal(err)
	}
	c.exchange()
	c.check(t, first)
}

// say sends something from one of the roles.
func (c *conversation) say(t *testing.T, from Role) {
	conn := &c.ends[from].conn
	m := sample(c.rng, c.rng.IntN(4), c.rng.IntN(3000))
	var err error
	switch c.rng.IntN(5) {
	case 0:
		payload := []byte(fmt.Sprint("p", c.rng.IntN(100)))
		c.said[from] = append(c.said[from], "ping:"+string(payload))
		if err = conn.Ping(payload); err != nil {
			t.Fatal(err)
		}
		return
	case 1:
		var prepared *Prepared
		if prepared, err = Prepare(Binary, m); err == nil {
			err = conn.SendPrepared(prepared)
		}
	case 2:
		at := c.rng.IntN(len(m) + 1)
		err = firstError(conn.Begin(Binary), conn.Write(m[:at]), conn.Write(m[at:]), conn.End())
	default:
		err = conn.Send(Binary, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	c.said[from] = append(c.said[from], fmt.Sprintf("binary:%d", len(m)))
	c.bodies[from] = append(c.bodies[from], m)
}

// exchange moves bytes until neither role has more to send.
func (c *conversation) exchange() {
	for {
		var moved bool
		for role, p := range c.ends {
			p.receive(nil) // pulls what was queued
			out := p.sent
			p.sent = nil
			for len(out) > 0 {
				n := c.cut(c.rng, len(out))
				c.ends[1-role].receive(bytes.Clone(out[:n]))
				out, moved = out[n:], true
			}
		}
		if !moved {
			return
		}
	}
}

func (c *conversation) check(t *testing.T, first Role) {
	for role, p := range c.ends {
		other := 1 - role
		if p.err != nil {
			t.Fatalf("%s: %v", roleNames[role], p.err)
		}
		// The pongs are those of its own pings.
		var heard, pongs []string
		for _, event := range p.events {
			if len(event) > 4 && event[:4] == "pong" {
				pongs = append(pongs, event[5:])
				continue
			}
			heard = append(heard, event)
		}
		want := append(slices.Clone(c.said[other]), "close:1000:bye")
		if Role(role) == first {
			want[len(want)-1] = "close:1000"
		}
		if !slices.Equal(heard, want) {
			t.Fatalf("%s heard\n got %q\nwant %q", roleNames[role], heard, want)
		}
		var pings []string
		for _, s := range c.said[role] {
			if s[:4] == "ping" {
				pings = append(pings, s[5:])
			}
		}
		if !slices.Equal(pongs, pings) {
			t.Fatalf("%s got pongs %q of %q", roleNames[role], pongs, pings)
		}
		for i, m := range c.bodies[other] {
			if !bytes.Equal(p.bodies[i], m) {
				t.Fatalf("%s: message %d arrived wrong", roleNames[role], i)
			}
		}
		if p.conn.Open() || p.conn.Queued() > 0 {
			t.Errorf("%s is not closed", roleNames[role])
		}
	}
	// RFC 6455 section 7.1.1: the server ends the transport first.
	if !c.ends[Server].conn.Done() || c.ends[Client].conn.Done() {
		t.Error("the server waits for the client, or the client does not wait for the server")
	}
	if err := c.ends[Client].conn.EOF(); err != nil || !c.ends[Client].conn.Done() {
		t.Errorf("end of the transport: %v", err)
	}
}

// The first frames of a peer may follow its handshake in the same segment, and a client's
// Close may share one with what the server has still sent.
func TestRolesWithBytesBehind(t *testing.T) {
	for _, ext := range []Deflate{{}, bothContexts} {
		client, server := newPlayer(Client, ext, nil), newPlayer(Server, ext, nil)
		for _, err := range []error{
			server.conn.Send(Text, jsonish(500)), server.conn.Ping([]byte("x")), server.conn.Close(CloseGoingAway, "restart"),
			client.conn.Send(Text, jsonish(300)), client.conn.Close(CloseNormal, ""),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		client.receive(nil)
		server.receive(nil)
		toClient, toServer := append(bytes.Clone(server.sent), "HTTP/1.1 400"...), append(bytes.Clone(client.sent), "\x00\xff"...)
		client.receive(toClient)
		server.receive(toServer)
		// Each has closed before it read the messages: they are skipped, pings as well are
		// told.
		client.want(t, "ping:x close:1001:restart", client.frames(t))
		server.want(t, "close:1000", server.frames(t))
		if client.err != nil || server.err != nil {
			t.Errorf("%v, %v", client.err, server.err)
		}
	}
}
