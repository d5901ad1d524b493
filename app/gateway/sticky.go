package gateway

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
)

// setSticky gives every peer the value of its cookie: its number, and a signature, so that
// clients cannot choose a peer. Gateways with the same key give the same.
func (s *peerSet) setSticky() {
	if s.byCookie != nil {
		return
	}
	s.byCookie = make(map[string]*peer, len(s.peers))
	for _, p := range s.peers {
		if p.cookie == "" {
			id := strconv.FormatUint(p.id, 36)
			mac := hmac.New(sha256.New, s.backend.shared.cookieKey)
			mac.Write([]byte("gatewheel cookie " + s.backend.name + " " + id))
			p.cookie = id + "." + hex.EncodeToString(mac.Sum(nil)[:16])
		}
		s.byCookie[p.cookie] = p
	}
}

// sticky returns the peer that the client's cookie names, or nil. The values are looked up
// whole: none can be found by trying parts.
func (s *peerSet) sticky(r *app.Request) *peer {
	value, _ := routing.Cookie(r.Fields, s.backend.cookie)
	return s.byCookie[value]
}

// setCookie returns the field that has the client return to p, or "" if it does so already.
func (b *Backend) setCookie(r *app.Request, p *peer) string {
	if b.method != balanceCookie || b.set.Load().sticky(r) == p {
		return ""
	}
	text := b.cookie + "=" + p.cookie + "; Path=/; HttpOnly; SameSite=Lax"
	if r.Client().Scheme == "https" {
		text += "; Secure"
	}
	return text
}
