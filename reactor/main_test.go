//go:build linux

package reactor

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain wants every goroutine to be gone in the end, but those that gnet's worker pool keeps for
// the next registration.
func TestMain(m *testing.M) {
	if name := os.Getenv(childEnvironment); name != "" {
		runChild(name)
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}
