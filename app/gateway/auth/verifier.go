package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// digest stands for credentials. It is keyed, so that memory does not tell passwords and tokens.
type digest [sha256.Size]byte

// digester makes digests.
type digester struct{ pool sync.Pool }

// digestState is what one digest needs.
type digestState struct {
	mac    hash.Hash
	buffer [512]byte
	sum    digest
}

func newDigester() *digester {
	key := make([]byte, sha256.BlockSize)
	rand.Read(key)
	return &digester{sync.Pool{New: func() any { return &digestState{mac: hmac.New(sha256.New, key)} }}}
}

// of returns the digest of a text.
func (d *digester) of(text string) digest {
	s := d.pool.Get().(*digestState)
	s.mac.Reset()
	for len(text) > 0 {
		n := copy(s.buffer[:], text)
		s.mac.Write(s.buffer[:n])
		text = text[n:]
	}
	clear(s.buffer[:])
	s.mac.Sum(s.sum[:0])
	sum := s.sum
	d.pool.Put(s)
	return sum
}

// verifier verifies credentials in the server's pool and remembers those that are valid. Requests
// with the same credentials share a verification. T is what is known of valid ones.
type verifier[T any] struct {
	slots []atomic.Pointer[verified[T]]
	most  int // verifications that may be under way

	mu       sync.Mutex // held for a few instructions of this package
	underWay map[digest]*verification[T]
}

// verified is valid credentials.
type verified[T any] struct {
	digest digest
	value  T
	until  time.Time
}

// verification is a verification under way, and those who wait for it.
type verification[T any] struct {
	in      *verifier[T]
	digest  digest
	waiting []*app.Promise[T]
}

// ways is the number of slots in which a digest may be.
const ways = 4

// newVerifier returns a verifier that remembers size credentials, a power of 2, and has at most that
// many verifications under way.
func newVerifier[T any](size, most int) *verifier[T] {
	return &verifier[T]{slots: make([]atomic.Pointer[verified[T]], size), most: most, underWay: map[digest]*verification[T]{}}
}

// set returns the slots in which d may be.
func (v *verifier[T]) set(d *digest) []atomic.Pointer[verified[T]] {
	i := int(binary.LittleEndian.Uint64(d[:])&uint64(len(v.slots)-1)) &^ (ways - 1)
	return v.slots[i : i+ways]
}

// lookup returns credentials that were found to be valid, and are so still at now.
func (v *verifier[T]) lookup(d digest, now time.Time) *verified[T] {
	set := v.set(&d)
	for i := range set {
		if found := set[i].Load(); found != nil && hmac.Equal(found.digest[:], d[:]) && now.Before(found.until) {
			return found
		}
	}
	return nil
}

// remember keeps valid credentials in place of those that would be forgotten first.
func (v *verifier[T]) remember(kept *verified[T]) {
	set := v.set(&kept.digest)
	place, first := 0, time.Time{}
	for i := range set {
		old := set[i].Load()
		if old == nil || old.digest == kept.digest {
			place = i
			break
		}
		if i == 0 || old.until.Before(first) {
			place, first = i, old.until
		}
	}
	set[place].Store(kept)
}

// verify returns a future of what is known of the credentials, on r's loop. work is called in the
// pool; it calls done once, on any goroutine, with the time until which the credentials are valid.
// The future fails with app.ErrPoolFull if too many verifications are under way.
func (v *verifier[T]) verify(r *app.Request, d digest, work func(done func(value T, until time.Time, err error))) app.Future[T] {
	p, f := app.Promised[T](r)
	v.mu.Lock()
	w := v.underWay[d]
	started := w != nil
	if !started {
		if len(v.underWay) >= v.most {
			v.mu.Unlock()
			return app.Failed[T](app.ErrPoolFull)
		}
		w = &verification[T]{in: v, digest: d}
		v.underWay[d] = w
	}
	w.waiting = append(w.waiting, p)
	v.mu.Unlock()
	if !started {
		if err := r.Pool().Submit(func() { w.run(work) }); err != nil {
			var zero T
			w.done(zero, time.Time{}, err)
		}
	}
	return f
}

// run calls work in the pool. A panic fails the verification.
func (w *verification[T]) run(work func(done func(T, time.Time, error))) {
	defer func() {
		if p := recover(); p != nil {
			var zero T
			w.done(zero, time.Time{}, fmt.Errorf("auth: a panic: %v", p))
		}
	}()
	work(w.done)
}

// done tells the result to those who wait.
func (w *verification[T]) done(value T, until time.Time, err error) {
	v := w.in
	if err == nil {
		v.remember(&verified[T]{w.digest, value, until})
	}
	v.mu.Lock()
	waiting := w.waiting
	w.waiting = nil
	delete(v.underWay, w.digest)
	v.mu.Unlock()
	for _, p := range waiting {
		if err != nil {
			p.Fail(err)
		} else {
			p.Resolve(value)
		}
	}
}
