//go:build linux

package interop

import (
	"os"
	"testing"
	"time"
)

// TestMain runs this test's program as a client of one gRPC case, or as a gRPC server, if the environment names one.
func TestMain(m *testing.M) {
	if name := os.Getenv(grpcCase); name != "" {
		runGRPCCase(name)
		return
	}
	if name := os.Getenv(grpcCost); name != "" {
		runGRPCServer(name)
	}
	os.Exit(m.Run())
}

// patience bounds a failure, not a success.
const patience = time.Minute
