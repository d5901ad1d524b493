package app

// Pull returns the rest of the body, and the trailer fields, as content of a response or
// of a request to another server, which is read as its receiver takes it. Nothing else may
// read the body then. If the body fails, so does the message that has the content. On the
// loop.
func (b *Body) Pull() *Pull {
	p := &bodyPull{body: b}
	p.woken = p.wake
	p.Pull = Pull{Size: p.size(), Read: p.read, Wait: p.wait, Trailers: b.from.Trailers, OnClose: b.from.Close}
	return &p.Pull
}

// bodyPull is a Body as a Pull.
type bodyPull struct {
	Pull
	body  *Body
	woken func() // wake
	ready func() // of Wait, until it is called
	more  bool   // woken since the last read
}

// size returns the length of the rest.
func (p *bodyPull) size() int64 {
	length := p.body.from.Length()
	if reads := p.body.began.Load(); reads != nil && reads.taken && length > 0 {
		return -1
	}
	return length
}

// read is Pull.Read.
func (p *bodyPull) read(b []byte) (int, error) {
	if !p.body.from.Enter() {
		return 0, ErrPeerGone
	}
	defer p.body.from.Leave()
	if reads := p.body.began.Load(); reads != nil && reads.pending != nil {
		return 0, ErrBusy
	}
	p.more = false
	return p.body.take(b, p.woken)
}

// wait is Pull.Wait.
func (p *bodyPull) wait(ready func()) {
	if p.more {
		p.body.from.Loop().Post(ready)
		return
	}
	p.ready = ready
}

// wake is called when there is content.
func (p *bodyPull) wake() {
	p.more = true
	if ready := p.ready; ready != nil {
		p.ready = nil
		ready()
	}
}
