package h2

import (
	"net"
	"os/exec"
	"testing"
)

// TestH2spec runs the conformance suite in strict mode, if it is installed.
func TestH2spec(t *testing.T) {
	tool, err := exec.LookPath("h2spec")
	if err != nil {
		t.Skip("h2spec is not in the path")
	}
	s := startServer(t, Config{})
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	out, err := exec.Command(tool, "--strict", "-h", host, "-p", port).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
