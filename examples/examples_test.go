//go:build linux

// Package examples_test builds and runs the examples.
package examples_test

import (
	"bufio"
	"testing"

	"github.com/gatewheel/gatewheel/examples/internal/exampletest"
)

func TestHello(t *testing.T) {
	address := exampletest.Run(t, "hello")
	for _, path := range []string{"/hello/Ada", "/later/Ada", "/blocking/Ada"} {
		exampletest.Expect(t, "http://"+address+path, "Hello, Ada!\n")
	}
}

func TestHandler(t *testing.T) {
	exampletest.Expect(t, "http://"+exampletest.Run(t, "handler")+"/hello/Ada", "Hello, Ada!\n")
}

func TestChat(t *testing.T) { exampletest.Chat(t, exampletest.Run(t, "chat")) }

// TestEvents: the clock sends events while the response is open.
func TestEvents(t *testing.T) {
	address := exampletest.Run(t, "events")
	exampletest.Expect(t, "http://"+address+"/", `new EventSource("/clock")`)
	lines := bufio.NewScanner(exampletest.Open(t, "http://"+address+"/clock").Body)
	seen := 0
	for seen < 2 && lines.Scan() {
		if lines.Text() == "event: time" || lines.Text() == "event:time" {
			seen++
		}
	}
	if seen < 2 {
		t.Errorf("%d events, then %v", seen, lines.Err())
	}
}

func TestFanout(t *testing.T) { exampletest.Fanout(t, exampletest.Run(t, "fanout")) }

func TestCRUD(t *testing.T) { exampletest.CRUD(t, exampletest.Run(t, "crud")) }

func TestSite(t *testing.T) { exampletest.Site(t, exampletest.Run(t, "site")) }

func TestMisbehaving(t *testing.T) { exampletest.Misbehaving(t, exampletest.Run(t, "misbehaving")) }
