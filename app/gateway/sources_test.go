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
	"github.com/gatewheel/gatewheel/app/gateway/file"
)

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
