//go:build linux

package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/file"
)

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	f, err := file.Parse("f.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f.Config
}

// TestReload changes routes under load, a hundred times: no request is refused or lost, a response in
// progress goes on, a backend that is as before keeps its connection, and counts stay.
func TestReload(t *testing.T) {
	kept, keptServer := serveOn(t, says("kept"))
	release := make(chan bool)
	other, _ := serveOn(t, func(r *app.Request) app.Answer {
		if r.RawPath == "/slow" {
			return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
				p, f := app.Promised[app.Done](r)
				go func() {
					<-release
					p.Resolve(app.Done{})
				}()
				return app.Then(f, func(app.Done) app.Future[app.Done] { return w.WriteString("the end") })
			}))
		}
		return says("other")(r)
	})
	text := "routes: {/: kept, /n: {to: other, limit: {rate: 1/h, burst: 1}}, /slow: other, /%d: other}\n" +
		"backends: {kept: 'h2c://" + kept + "', other: {peers: 'http://" + other + "', streams: %d}}\n"
	g, err := gateway.Open(parsed(t, fmt.Sprintf(text, 0, 1)), gateway.Options{}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve)
	url := "http://" + address
	c := clientOf(t, true)

	open, err := c.Get(url + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Body.Close()
	if resp, _ := ask(t, c, "GET", url+"/n", ""); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	stop := make(chan bool)
	var load sync.WaitGroup
	for i := range 8 {
		load.Go(func() {
			c := clientOf(t, i%2 == 0)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				path := []string{"/", "/x"}[n%2]
				resp, err := c.Get(url + path)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != 200 {
					t.Errorf("%s: status %d", path, resp.StatusCode)
				}
			}
		})
	}
	for i := range 100 {
		if err := g.Reload(parsed(t, fmt.Sprintf(text, i+1, i+2))); err != nil {
			t.Fatal(err)
		}
		if resp, _ := ask(t, c, "GET", fmt.Sprintf("%s/%d", url, i+1), ""); resp.StatusCode != 200 || resp.Header.Get("X-Server") != "other" {
			t.Errorf("the route of reload %d: status %d", i, resp.StatusCode)
		}
	}
	close(stop)
	load.Wait()
	if resp, _ := ask(t, c, "GET", url+"/n", ""); resp.StatusCode != 429 {
		t.Errorf("the limit has forgotten its counts: status %d", resp.StatusCode)
	}
	close(release)
	if content, err := io.ReadAll(open.Body); err != nil || string(content) != "the end" {
		t.Errorf("the response that was in progress: %q, %v", content, err)
	}
	if n := keptServer.Counts().Accepted; n > 2 {
		t.Errorf("the backend that is as before has accepted %d connections", n)
	}
	if n := g.Counts().Exchanges[gateway.NoPeer]; n > 0 {
		t.Errorf("%d requests found no peer", n)
	}
}

// TestReloadOfMistakes changes nothing.
func TestReloadOfMistakes(t *testing.T) {
	a, _ := serveOn(t, says("a"))
	g, err := gateway.Open(parsed(t, "routes: {/: a}\nbackends: {a: 'http://"+a+"'}\n"), gateway.Options{}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve)
	for _, c := range []*config.Config{
		{},
		{Routes: map[string]config.Cases{"/": {{To: config.Shares{"missing": 1}}}}},
		{Routes: map[string]config.Cases{"/": {{To: config.Shares{"b": 1}}}},
			Backends: map[string]config.Backend{"b": {Peers: config.Peers{List: []config.Peer{{URL: "https://b"}}}, TLS: &config.TLS{Name: "b"}}}},
	} {
		if err := g.Reload(c); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("the error is %v", err)
		}
		if resp, _ := ask(t, clientOf(t, false), "GET", "http://"+address, ""); resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
}
