//go:build linux

package gatewheel_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/testport"
)

// TestReadmeProgram builds the program in the README, as it stands there, runs it and asks it.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(readme), "\n```go\n")
	program, _, ends := strings.Cut(rest, "```\n")
	if !ok || !ends {
		t.Fatal("there is no Go program in the README")
	}
	lines := 0
	for line := range strings.Lines(program) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 15 {
		t.Errorf("the program has %d lines: 15 fit the first screen", lines)
	}

	const written = "127.0.0.1:8080"
	if strings.Count(program, written) != 1 {
		t.Fatalf("the program should listen on %s", written)
	}
	address := testport.Address(t)
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "embedded")
	if err := os.WriteFile(source, []byte(strings.Replace(program, written, address, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("it does not compile: %v\n%s", err, out)
	}

	ctx, stop := context.WithCancel(t.Context())
	server := exec.CommandContext(ctx, binary)
	var output bytes.Buffer
	server.Stdout, server.Stderr = &output, &output
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = server.Wait()
	}()
	if got := patientGet(t, "http://"+address+"/a/b"); got != "Hello from /a/b\n" {
		t.Errorf("it answers %q\n%s", got, output.String())
	}
}

// patientGet asks until the server listens.
func patientGet(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Timeout: 10 * time.Second}
	var failure error
	for range 400 {
		var r *http.Response
		if r, failure = client.Get(url); failure == nil {
			defer func() { _ = r.Body.Close() }()
			content, err := io.ReadAll(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			return string(content)
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal(failure)
	return ""
}
