//go:build linux

package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"
)

// snapshotInterval is the time between two Snapshots while somebody watches, and the age up to which one is shown to
// those who ask without watching.
const snapshotInterval = time.Second

// snapshot computes a Snapshot, with rates since the sample before, and its own sample.
func (s *Server) snapshot(before *sample) (*Snapshot, *sample) {
	o, now := &s.options, time.Now()
	shot := &Snapshot{Time: now, Version: o.Version, PID: os.Getpid(), Uptime: now.Sub(s.started).Seconds(), State: s.state(), Times: o.Latency != nil}
	next, passed := &sample{at: now, latency: map[string]Histogram{}, peers: map[[2]string]Peer{}}, since(before, now)
	if o.Latency != nil {
		for _, h := range o.Latency() {
			next.latency[h.Protocol] = h
		}
	}
	if o.Totals != nil {
		t := o.Totals()
		next.totals = t
		shot.Open = t.Open
		shot.Accepted = passed.number(t.Accepted, func(t *Totals) uint64 { return t.Accepted })
		shot.BytesIn = passed.number(t.BytesIn, func(t *Totals) uint64 { return t.BytesIn })
		shot.BytesOut = passed.number(t.BytesOut, func(t *Totals) uint64 { return t.BytesOut })
		shot.Protocols, shot.Statuses = passed.protocols(&t, next.latency)
		shot.Errors = passed.errors(&t)
	}
	if o.Loops != nil {
		shot.Loops = o.Loops()
		passed.loops(shot.Loops)
		next.loops = shot.Loops
	}
	if o.Backends != nil {
		shot.Backends = cutPeers(o.Backends())
		passed.backends(shot.Backends)
		for _, b := range shot.Backends {
			for _, p := range b.Peers {
				next.peers[[2]string{b.Name, p.Name}] = p
			}
		}
	}
	if o.Requests != nil {
		if requests, err := o.Requests(snapshotRequests, ""); err == nil {
			shot.Requests, shot.Stalled = requests.Requests, requests.Stalled
		}
	}
	if o.Stalls != nil {
		shot.Stalls = o.Stalls.ring.newest(snapshotStalls)
	}
	if o.Recent != nil {
		shot.Log = o.Recent.ring.newest(snapshotLines)
	}
	return shot, next
}

// cutPeers returns backends with snapshotPeers peers in all at most.
func cutPeers(all []Backend) []Backend {
	left := snapshotPeers
	for i := range all {
		all[i].Peers = all[i].Peers[:min(len(all[i].Peers), left)]
		left -= len(all[i].Peers)
	}
	return all
}

// watch computes Snapshots while somebody watches, one for all.
type watch struct {
	compute func(before *sample) (*Snapshot, *sample)
	ended   <-chan struct{}

	mu      sync.Mutex
	running bool // run runs
	viewers map[chan []byte]bool
	last    *Snapshot
	text    []byte // JSON of the last one that was shown
	sample  *sample
}

// current returns a Snapshot that is at most snapshotInterval old. Any goroutine.
func (w *watch) current() *Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil || time.Since(w.last.Time) >= snapshotInterval {
		w.renew()
	}
	return w.last
}

// renew computes the next Snapshot. With the lock. Rates since a Snapshot of long ago would not be those of now.
func (w *watch) renew() {
	before := w.sample
	if before != nil && time.Since(before.at) > 10*snapshotInterval {
		before = nil
	}
	w.last, w.sample = w.compute(before)
}

// join adds a viewer; ok is false if there are too many. The channel gets each Snapshot as JSON; one that is not taken
// in time is replaced by the next.
func (w *watch) join() (viewer chan []byte, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.viewers) >= maxViewers {
		return nil, false
	}
	viewer = make(chan []byte, 1)
	if w.viewers == nil {
		w.viewers = map[chan []byte]bool{}
	}
	w.viewers[viewer] = true
	if w.running && w.text != nil {
		viewer <- w.text
	}
	if !w.running {
		w.running = true
		go w.run()
	}
	return viewer, true
}

func (w *watch) leave(viewer chan []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.viewers, viewer)
}

// run shows a Snapshot each interval until nobody watches.
func (w *watch) run() {
	ticker := time.NewTicker(snapshotInterval)
	defer ticker.Stop()
	for w.show() {
		select {
		case <-ticker.C:
		case <-w.ended:
			return
		}
	}
}

// show gives all viewers a new Snapshot. It reports whether there are any.
func (w *watch) show() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running = len(w.viewers) > 0; !w.running {
		return false
	}
	if w.last == nil || time.Since(w.last.Time) >= snapshotInterval/2 { // rates over less would be noise
		w.renew()
	}
	text, err := json.Marshal(w.last)
	if err != nil {
		return true // no type in it can fail but a float that is no number
	}
	w.text = text
	for viewer := range w.viewers {
		select {
		case <-viewer:
		default:
		}
		viewer <- text
	}
	return true
}

// events answers with server-sent events, one a second, until the client leaves.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	viewer, ok := s.watch.join()
	if !ok {
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d viewers watch already", maxViewers), http.StatusServiceUnavailable)
		return
	}
	defer s.watch.leave(viewer)
	control := withoutDeadlines(w)
	w.Header().Set("Content-Type", "text/event-stream")
	_ = control.Flush()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-s.ended:
			return
		case text := <-viewer:
			if control.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "data: %s\n\n", text); err != nil || control.Flush() != nil {
				return
			}
		}
	}
}
