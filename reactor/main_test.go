//go:build linux

package reactor

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain wants every goroutine to be gone in the end, but those that a package of gnet's starts for the process.
func TestMain(m *testing.M) {
	if name := os.Getenv(childEnvironment); name != "" {
		runChild(name)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}
