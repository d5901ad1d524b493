//go:build linux

package gateway_test

import (
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/server"
)

// answersAfter answers with a name when a time has passed.
func answersAfter(d time.Duration, name string) app.Handler {
	return func(r *app.Request) app.Answer {
		p, f := app.Promised[*app.Response](r)
		r.Loop().After(d, func() { p.Resolve(app.Text(200, "").With("X-Server", name)) })
		return f
	}
}

// sharesOf has 64 HTTP/2 clients send total requests, one after the other each, through a gateway with two loops, and
// returns how many each peer has answered, the first ones not counted. delays are those of the peers.
func sharesOf(t *testing.T, balance string, weights []int, delays []time.Duration, total, first int) []int {
	t.Helper()
	const clients = 64
	list := ""
	for i, w := range weights {
		peer, _ := serveOn(t, answersAfter(delays[i], fmt.Sprint(i)))
		list += fmt.Sprintf("{url: h2c://%s, weight: %d}, ", peer, w)
	}
	g, err := gateway.Open(parsed(t, "routes: {/: a}\nbackends: {a: {peers: ["+list+"], balance: "+balance+"}}\n"), gateway.Options{}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve, func(c *server.Config) { c.Loops = 2 })
	var mu sync.Mutex
	seen := make([]int, len(weights))
	var all sync.WaitGroup
	var sent atomic.Int64
	for range clients {
		c := clientOf(t, true)
		all.Go(func() {
			for {
				number := sent.Add(1)
				if number > int64(total) {
					return
				}
				resp, err := c.Get("http://" + address)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				var peer int
				if _, err := fmt.Sscan(resp.Header.Get("X-Server"), &peer); err != nil {
					t.Errorf("status %d", resp.StatusCode)
					return
				}
				if number > int64(first) {
					mu.Lock()
					seen[peer]++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	return seen
}

// The requests of 64 HTTP/2 clients on two loops are spread over the peers by their weights, within 5 %.
func TestSharesOfLiveClients(t *testing.T) {
	weights := []int{1, 1, 2, 2, 4}
	const total = 64 * 150
	for _, balance := range []string{"least", "round"} {
		delays := make([]time.Duration, len(weights))
		for i := range delays {
			delays[i] = 2 * time.Millisecond
		}
		seen := sharesOf(t, balance, weights, delays, total, 0)
		for i, n := range seen {
			want := float64(weights[i]) / 10 * total
			off := float64(n) - want
			t.Logf("%s: the peer of weight %d got %d requests, %.1f %% off %.0f", balance, weights[i], n, 100*off/want, want)
			// Chance has its part where peers are drawn at random.
			if math.Abs(off) > 0.05*want+2*math.Sqrt(want) {
				t.Errorf("%s: the share of peer %d is wrong", balance, i)
			}
		}
	}
}

// A peer that takes ten times as long gets at most a fifth of its share, once its first responses have come. The delays
// are long, so that the work of a busy machine adds little to them.
func TestShareOfASlowPeer(t *testing.T) {
	const fast = 100 * time.Millisecond
	for balance, each := range map[string]int{"least": 40, "ewma": 20} {
		total := 64 * each
		seen := sharesOf(t, balance, []int{1, 1, 1, 1, 1}, []time.Duration{10 * fast, fast, fast, fast, fast}, total, total/4)
		if share := float64(seen[0]) / float64(total-total/4); share > 0.2/5 {
			t.Errorf("%s: the slow peer got %.1f %% of the requests: %v", balance, 100*share, seen)
		}
	}
}
