//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// toolPath finds a program that a test cannot do without, also where an ordinary user's path does not lead.
func toolPath(t *testing.T, program string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("%s is not installed", program)
	return ""
}

// curl gives what curl prints: the answer's content, and its version and status behind that.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, "", toolPath(t, "curl"), append([]string{"-sS", "--max-time", "25", "-w", " %{http_version} %{http_code}"}, args...)...)
}

// output runs a program to its end and gives what it prints.
func output(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}
