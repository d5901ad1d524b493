package gateway_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/discovery"
	"github.com/gatewheel/gatewheel/app/gateway/discovery/dnsmasqtest"
	"github.com/gatewheel/gatewheel/app/gateway/file"
	"github.com/gatewheel/gatewheel/app/server"
)

// Names of a backend without a file are looked up again: requests follow a changed record, look-ups that
// fail are counted and told once, and what was known stays in use.
func TestNamesWithoutAFile(t *testing.T) {
	one, _ := serveOn(t, says("one"))
	two, _ := serveOn(t, says("two"), func(c *server.Config) { c.Listeners[0].Address = "127.0.0.2" + one[len("127.0.0.1"):] })
	names := dnsmasqtest.Start(t, "127.0.0.1 peer.test\n")
	config := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(config, []byte("nameserver "+names.Address+"\noptions timeout:1 attempts:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	told := make(chan string, 100)
	b, err := gateway.OpenBackend(gateway.BackendOptions{
		Resolver:    &discovery.Resolver{Hosts: "/dev/null", Config: config},
		PeerChanged: func(_, peer string, e gateway.PeerEvent, _ error) { told <- strings.TrimSpace(peer + " " + e.String()) },
	}, "h2c://peer.test"+one[len("127.0.0.1"):])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	g := gateway.New(b, gateway.Options{})
	address, _ := serveOn(t, g.Serve)
	c := clientOf(t, false)
	until := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within %v", what, patience)
			}
		}
	}
	answered := false
	asked := func() string {
		t.Helper()
		resp, _ := ask(t, c, "GET", "http://"+address, "")
		if first := resp.Header.Get("X-Server"); first != "" || !answered {
			answered = answered || first != ""
			return first // the name server may still be starting
		}
		t.Fatalf("status %d", resp.StatusCode)
		return ""
	}
	until("the first address is asked", func() bool { return asked() == "one" })
	names.SetHosts("127.0.0.2 peer.test\n")
	until("the new address "+two+" is asked", func() bool { return asked() == "two" })
	names.SetHosts("")
	until("failures are counted", func() bool { asked(); return g.Counts().FailedLookUps >= 2 })
	wantChange(t, told, "look-up failed")
	if len(told) > 0 {
		t.Errorf("also %s", <-told)
	}
}

// A peer that leaves the file gets no more requests, and no request fails meanwhile. Its
// name comes from a hosts file.
func TestAFileOfPeers(t *testing.T) {
	one, _ := serveOn(t, says("one"))
	two, _ := serveOn(t, says("two"))
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hosts := write("hosts", "127.0.0.1 peer.test\n")
	peers := write("peers.yaml", "- http://peer.test"+one[len("127.0.0.1"):]+"\n")
	c := parsed(t, "routes: {/: a}\nbackends: {a: {peers: {file: "+peers+"}}}\n")
	g, err := gateway.Open(c, gateway.Options{}, gateway.Parts{ReadPeers: file.ReadPeers, Resolver: &discovery.Resolver{Hosts: hosts}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	address, _ := serveOn(t, g.Serve)
	client := clientOf(t, false)
	ask := func() string {
		t.Helper()
		resp, err := client.Get("http://" + address + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %d %s (%v)", resp.StatusCode, text, err)
		}
		name, _, _ := strings.Cut(string(text), " ")
		return name
	}
	if got := ask(); got != "one" {
		t.Fatalf("%s answers", got)
	}
	write("peers.yaml", "- {url: http://"+two+", weight: 2}\n")
	for deadline := time.Now().Add(patience); ask() != "two"; {
		if time.Now().After(deadline) {
			t.Fatal("the new peer is not asked")
		}
	}
	for range 20 {
		if got := ask(); got != "two" {
			t.Fatalf("%s answers, which has left", got)
		}
	}
}
