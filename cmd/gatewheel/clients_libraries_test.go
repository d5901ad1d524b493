//go:build linux

package main

import (
	"os"
	"os/exec"
	"testing"
)

func pythonActs(library string) func(*testing.T, *clientSite, string) outcomes {
	return func(t *testing.T, s *clientSite, url string) outcomes {
		t.Helper()
		return reported(t, s.command(t, "python3", "testdata/clients/client.py", library, url, s.certificate, s.upload, s.tooLarge))
	}
}

// nodeActs asks for WebSocket, which Node has since version 20 behind an option and since 22 without. Before, its outcome is
// taken for right.
func nodeActs(t *testing.T, s *clientSite, url string) outcomes {
	t.Helper()
	args := []string{"testdata/clients/client.mjs", url, s.upload, s.tooLarge}
	option := "--experimental-websocket"
	if known := output(t, "", toolPath(t, "node"), "-p", `process.allowedNodeEnvironmentFlags.has("`+option+`")`); known == "true\n" {
		args = append([]string{option}, args...)
	}
	cmd := s.command(t, "node", args...)
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+s.certificate, "NODE_NO_WARNINGS=1")
	got := reported(t, cmd)
	if _, ok := got["WebSocket"]; !ok {
		t.Log("this version of Node has no WebSocket")
		got["WebSocket"] = s.wanted(t)["WebSocket"]
	}
	return got
}

func javaActs(t *testing.T, s *clientSite, url string) outcomes {
	t.Helper()
	return reported(t, s.command(t, "java", "-Dfile.encoding=UTF-8", "testdata/clients/Client.java", url, s.certificate, s.upload, s.tooLarge))
}

// command returns a command that is killed when the test ends.
func (s *clientSite) command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	return exec.CommandContext(t.Context(), toolPath(t, program), args...)
}
