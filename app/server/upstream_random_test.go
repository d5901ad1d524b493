//go:build linux

package server_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// Calls of all kinds share a connection, some of them are cancelled at any time, and each that is left gets its own
// content.
func TestUpstreamRandomCalls(t *testing.T) {
	const rounds, together = 12, 20
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	address := goServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		size, _ := strconv.Atoi(r.URL.Path[1:])
		taken, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			return
		}
		_, _ = fmt.Fprintf(w, "%d ", taken)
		_, _ = w.Write(bytes.Repeat([]byte{byte('a' + size%26)}, size))
	}), nil)
	a := queries(t)
	for _, protocol := range []string{app.HTTP11, app.HTTP2} {
		var d *dialled
		for range rounds {
			var calls []*randomCall
			for range together {
				if d == nil || protocol == app.HTTP11 {
					d = a.connect(&spi.Dial{Address: address, Protocol: protocol})
				}
				calls = append(calls, d.randomCall(random))
			}
			for _, c := range calls {
				c.check(t)
			}
		}
		if protocol == app.HTTP2 {
			d.close()
		}
	}
	a.eventuallyOn("all calls are counted", func() bool {
		n := a.Counts().Upstream
		ended := n.Complete
		for _, kind := range n.Incomplete {
			ended += kind
		}
		return ended == 2*rounds*together && n.Calls[app.HTTP11] == rounds*together
	})
}

// randomCall is a call of random sizes, which may be cancelled.
type randomCall struct {
	*asked
	up, down int
	cancel   bool
}

func (d *dialled) randomCall(random *rand.Rand) *randomCall {
	c := &randomCall{up: random.IntN(200_000), down: random.IntN(200_000), cancel: random.IntN(4) == 0}
	if random.IntN(3) == 0 {
		c.up, c.down = random.IntN(100), random.IntN(100)
	}
	text := strings.NewReader(strings.Repeat("u", c.up))
	out := &spi.Outgoing{Method: "POST", Target: fmt.Sprintf("/%d", c.down)}
	size := int64(c.up)
	if random.IntN(2) == 0 {
		size = -1
	}
	switch random.IntN(3) {
	case 0:
		out.Content = app.Bytes(strings.Repeat("u", c.up))
	case 1:
		out.Content = &app.Pull{Size: size, Read: text.Read}
	default:
		out.Content = &textSource{Reader: text, size: size, loop: d.loop}
	}
	c.asked = d.askWith(out, random.IntN(4) == 0)
	switch when := random.IntN(3); {
	case c.cancel && when == 0:
		d.on(c.call.Release)
	case c.cancel:
		time.AfterFunc(time.Duration(random.IntN(2000))*time.Microsecond, func() { d.post(c.call.Release) })
	}
	return c
}

// check waits for the end of a call that was not cancelled.
func (c *randomCall) check(t *testing.T) {
	t.Helper()
	if c.cancel {
		return
	}
	c.await("head", c.headCame)
	if c.unread {
		c.on(c.readOn)
	}
	c.answer(200, fmt.Sprintf("%d %s", c.up, strings.Repeat(string(rune('a'+c.down%26)), c.down)))
}
