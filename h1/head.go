package h1

import "github.com/gatewheel/gatewheel/internal/octets"

// parse reads the head that the scanner has found, of which block is a copy:
// every string of h is a part of that.
func (h *Head) parse(sh *Shared, block string) *Error {
	w := &sh.words
	*h = Head{
		Method: block[:w.method],
		Target: block[w.method+1 : w.target],
		Fields: h.Fields[:0],
	}
	// RFC 9110 section 2.5: a higher minor version is served as the highest
	// that is known.
	if w.minor != '0' {
		h.Minor = 1
	}
	var m meaning
	h.Fields = m.read(w, block, h.Fields)
	if err := h.setTarget(); err != nil {
		return err
	}
	if err := h.setAuthority(&m); err != nil {
		return err
	}
	if err := h.setFraming(sh, &m); err != nil {
		return err
	}
	return h.setConnection(&m)
}

// setAuthority checks the Host field and sets Authority.
func (h *Head) setAuthority(m *meaning) *Error {
	// RFC 9112 section 3.2: exactly one valid Host in HTTP/1.1; a second or an
	// invalid one is wrong in any version.
	switch {
	case m.hosts > 1:
		return errHostTwice
	case m.hosts == 0 && h.Minor > 0:
		return errHostMissing
	case !octets.ValidAuthority(m.host):
		return errHost
	}
	// RFC 9112 section 3.2.2: the target's authority replaces Host.
	if h.Form != AbsoluteForm && h.Form != AuthorityForm {
		h.Authority = m.host
	}
	return nil
}

// setFraming sets ContentLength (RFC 9112 section 6.3).
func (h *Head) setFraming(sh *Shared, m *meaning) *Error {
	switch {
	case m.codings > 0 && h.Minor == 0:
		// Section 6.1: a recipient on the way did not understand it.
		return errCodingOld
	case m.codings > 0 && m.lengths > 0:
		return errLengthBoth
	case m.codings > 0:
		h.ContentLength = -1
		if err := m.coding(); err != nil {
			return err
		}
	case m.lengths > 1:
		return errLengthTwice
	case m.lengthErr != nil:
		return m.lengthErr
	case sh.limits.Content > 0 && m.length > sh.limits.Content:
		return errLengthHuge
	default:
		h.ContentLength = m.length
	}
	if h.Form == AuthorityForm && h.ContentLength != 0 {
		// RFC 9110 section 9.3.6: bytes after a CONNECT request belong to the tunnel.
		return errConnect
	}
	return nil
}

// setConnection sets KeepAlive, ExpectContinue and Upgrade.
func (h *Head) setConnection(m *meaning) *Error {
	if h.Minor == 0 {
		// RFC 9112 section 9.3: in HTTP/1.0 one has to ask for persistence.
		// RFC 9110 sections 7.8 and 10.1.1: Upgrade and Expect mean nothing there.
		h.KeepAlive = m.keep && !m.close
		return nil
	}
	if m.expectFail {
		return errExpect
	}
	h.ExpectContinue = m.expects && h.ContentLength != 0
	h.KeepAlive = !m.close
	if m.upgrade {
		h.Upgrade = m.protocols
	}
	return nil
}
