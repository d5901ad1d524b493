package h2

import (
	"go/build"
	"net"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestH2spec runs the conformance suite in strict mode.
func TestH2spec(t *testing.T) {
	tool, err := exec.LookPath("h2spec")
	if err != nil {
		// go install puts it where the path need not lead.
		tool, err = exec.LookPath(filepath.Join(build.Default.GOPATH, "bin", "h2spec"))
	}
	if err != nil {
		t.Fatalf("%v: go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible", err)
	}
	s := startServer(t, Config{})
	host, port, _ := net.SplitHostPort(s.listener.Addr().String())
	out, err := exec.Command(tool, "--strict", "-h", host, "-p", port).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
