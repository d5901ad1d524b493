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

// toolPath returns the path of a program that a test needs, in $PATH or /usr/sbin.
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

// curl returns what curl prints: the content of the response, its HTTP version and its status.
func curl(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, "", toolPath(t, "curl"), append([]string{"-sS", "--max-time", "25", "-w", " %{http_version} %{http_code}"}, args...)...)
}

// output runs a program to its end and returns what it prints.
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
