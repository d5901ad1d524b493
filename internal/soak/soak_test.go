//go:build linux

package soak_test

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/internal/soak"
)

// Everything once: each kind of traffic and of fault at both programs, while certificates and the gateway's file are
// replaced and handlers stall. `make soak` runs it for long, with hot restarts, in which clients have limits of time.
func TestShortSoak(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gatewheel")
	build := exec.Command("go", "build", "-o", program, "./cmd/gatewheel")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	report, err := soak.Run(t.Context(), soak.Config{
		Program: program, Dir: t.TempDir(), Short: true, Seed: 1, Workers: 8,
		// The start is measured before anything has run, so that pools are empty then.
		Bounds: soak.Bounds{Heap: 48 << 20, RSS: 256 << 20, Descriptors: 32, Goroutines: 64, Connections: 40},
		Settle: time.Minute, Progress: t.Output(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range report.Failed() {
		t.Error(line)
	}
	for _, what := range report.Missing() {
		t.Errorf("%s did not happen", what)
	}
	t.Logf("%d operations, %d requests answered, %v of processor time", report.Operations, report.Answered, report.Driver)
}
