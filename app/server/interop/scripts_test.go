//go:build linux

package interop

import (
	"os/exec"
	"testing"
)

// dialogue is what the clients of testdata report.
type dialogue struct {
	Echoed     int
	Extensions string
	Pong       string
	Code       int
	Reason     string
	Chat       []string
	Flood      int
	Refused    int
}

func (d *dialogue) check(t *testing.T, compressed bool) {
	t.Helper()
	if d.Echoed == 0 || (d.Extensions != "") != compressed || d.Pong != "ping" || d.Code != 4000 || d.Flood != 500 ||
		len(d.Chat) != 2 || d.Chat[0] != "hello" || d.Chat[1] != "hello" || d.Refused != 403 {
		t.Errorf("reported %+v", d)
	}
}

func TestNodeWS(t *testing.T) {
	node := needNode(t, "ws")
	for _, mode := range []string{"plain", "packed"} {
		t.Run(mode, func(t *testing.T) {
			eachAddress(t, func(t *testing.T, s *site, url string) {
				var d dialogue
				run(t, &d, node, "testdata/node.js", url, mode)
				d.check(t, mode == "packed")
				s.sockets(5, 0)
			})
		})
	}
}

// needPython finds Debian's own interpreter, since only that one finds Debian's modules.
func needPython(t *testing.T) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if exec.Command(python, "-c", "import websockets").Run() != nil {
		t.Fatal("the Python module websockets is missing: install Debian's package python3-websockets")
	}
	return python
}

func TestPythonWebsockets(t *testing.T) {
	python := needPython(t)
	for _, mode := range []string{"plain", "packed"} {
		t.Run(mode, func(t *testing.T) {
			eachAddress(t, func(t *testing.T, s *site, url string) {
				var d dialogue
				run(t, &d, python, "testdata/client.py", url, mode)
				d.check(t, mode == "packed")
				s.sockets(5, 0)
			})
		})
	}
}
