//go:build linux

package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// quantities are the flags that are numbers, sizes or durations, with values just inside and just outside of their
// range, and the error for the latter.
var quantities = []struct {
	flag            string
	inside, outside []string
	says            string
}{
	{"loops", []string{"0", "1024"}, []string{"1025"}, "a number from 0 to 1024"},
	{"max-connections", []string{"0", "1000000000"}, []string{"1000000001"}, "a number from 0 to 1000000000"},
	{"peer-connections", []string{"0", "1000000"}, []string{"1000001"}, "a number from 0 to 1000000"},
	{"peer-connection-rate", anyRate, noRate, saysRate},
	{"peer-handshake-rate", anyRate, noRate, saysRate},
	{"peer-requests", []string{"0", "1000000"}, []string{"1000001"}, "a number from 0 to 1000000"},
	{"peer-prefix-v4", []string{"1", "32"}, []string{"0", "33"}, "a number from 1 to 32"},
	{"peer-prefix-v6", []string{"1", "128"}, []string{"0", "129"}, "a number from 1 to 128"},
	{"drain-delay", anyTime, noTime, saysTime},
	{"restart-timeout", []string{"100ms", "8760h"}, append(noTime, "0", "99ms"), "a duration from 100ms to 8760h"},
	{"request-timeout", anyTime, noTime, saysTime},
	{"head-timeout", anyTime, noTime, saysTime},
	{"body-timeout", anyTime, noTime, saysTime},
	{"write-timeout", anyTime, noTime, saysTime},
	{"min-content-rate", []string{"0", "1", "1GiB"}, []string{"1025MiB"}, "from 0 to 1GiB"},
	{"min-read-rate", []string{"0", "1", "1GiB"}, []string{"1025MiB"}, "from 0 to 1GiB"},
	{"rate-window", []string{"1ms", "8760h"}, append(noTime, "0"), "a duration from 1ms to 8760h"},
	{"half-closed-timeout", anyTime, noTime, saysTime},
	{"idle-timeout", anyTime, noTime, saysTime},
	{"shutdown-timeout", anyTime, noTime, saysTime},
	{"max-body", []string{"0", "1", "1048576GiB"}, []string{"1048577GiB"}, "from 0 to 1048576GiB"},
	{"max-unsent", []string{"64KiB", "1GiB"}, []string{"0", "65535", "1025MiB"}, "from 64KiB to 1GiB"},
	{"h1-max-target", []string{"256", "1MiB"}, []string{"0", "255", "1048577"}, "from 256 to 1MiB"},
	{"h1-max-headers", []string{"1", "65535"}, []string{"0", "65536"}, "a number from 1 to 65535"},
	{"h1-max-header-size", []string{"256", "16MiB"}, []string{"0", "255", "17MiB"}, "from 256 to 16MiB"},
	{"h2-max-concurrent-streams", []string{"1", "2147483647"}, []string{"0", "2147483648"}, "from 1 to 2147483647"},
	{"h2-initial-window-size", []string{"1", "2147483647"}, []string{"0", "2GiB"}, "from 1 to 2147483647"},
	{"h2-max-window", []string{"1", "2147483647"}, []string{"0", "2GiB"}, "from 1 to 2147483647"},
	{"h2-window-memory", []string{"1", "2147483647"}, []string{"0", "2GiB"}, "from 1 to 2147483647"},
	{"h2-connection-window", []string{"65535", "2147483647"}, []string{"0", "65534", "2GiB"}, "from 65535 to 2147483647"},
	{"h2-max-frame-size", []string{"16KiB", "16777215"}, []string{"0", "16383", "16MiB"}, "from 16384 to 16777215"},
	{"h2-max-header-list-size", []string{"1KiB", "16MiB"}, []string{"0", "1023", "17MiB"}, "from 1KiB to 16MiB"},
	{"h2-keepalive", anyTime, noTime, saysTime},
	{"max-connection-age", anyTime, noTime, saysTime},
	{"ws-max-message", []string{"1", "1024GiB"}, []string{"0", "1025GiB"}, "from 1 to 1024GiB"},
	{"ws-max-frame", []string{"0", "1024GiB"}, []string{"1025GiB"}, "from 0 to 1024GiB"},
	{"ws-max-queue", []string{"1", "1GiB"}, []string{"0", "2GiB"}, "from 1 to 1GiB"},
	{"ws-keepalive", anyTime, noTime, saysTime},
	{"ws-idle-timeout", anyTime, noTime, saysTime},
	{"ws-message-timeout", anyTime, noTime, saysTime},
	{"ws-message-memory", []string{"1MiB", "1024GiB"}, []string{"0", "1023KiB", "1025GiB"}, "from 1MiB to 1024GiB"},
	{"stall-warn", anyTime, noTime, saysTime},
	{"stall-timeout", anyTime, noTime, saysTime},
	{"stall-restarts", []string{"1", "1000000"}, []string{"0", "1000001"}, "a number from 1 to 1000000"},
	{"tls-handshake-timeout", []string{"1ms", "8760h"}, append(noTime, "0"), "a duration from 1ms to 8760h"},
	{"access-log-sample", []string{"1", "1000000000"}, []string{"0", "1000000001"}, "a number from 1 to 1000000000"},
	{"access-log-max-size", []string{"0", "1", "1024GiB"}, []string{"1025GiB"}, "from 0 to 1024GiB"},
	{"access-log-max-files", []string{"0", "1000000"}, []string{"1000001"}, "a number from 0 to 1000000"},
	{"access-log-max-days", []string{"0", "36500"}, []string{"36501"}, "a number from 0 to 36500"},
	{"socket-mode", []string{"1", "0777"}, []string{"0", "1000", "8"}, "socket mode"},
}

var anyRate, noRate = []string{"0", "0.01", "2.5", "1000000"}, []string{"0.009", "1000001", "-1", "NaN", "fast"}

const saysRate = "a number from 0.01 to 1000000, or 0"

var anyTime, noTime = []string{"0", "0s", "1ms", "8760h"}, []string{"999us", "8760h1s", "10", "5 minutes", "-1ms"}

const saysTime = "a duration from 1ms to 8760h, or 0"

// A value out of range is refused at the start, with the range, as a flag and as a variable.
func TestQuantitiesHaveRanges(t *testing.T) {
	for _, q := range quantities {
		for _, value := range q.inside {
			configured(t, "--"+q.flag+"="+value)
		}
		variable := "GATEWHEEL_" + strings.ToUpper(strings.ReplaceAll(q.flag, "-", "_"))
		for _, value := range append(q.outside, "-1", "1e3", "0x10", "many", "99999999999999999999", "99999999999999999999s", "9007199254740993GiB") {
			refused(t, q.flag, value, q.says, "--"+q.flag+"="+value)
			t.Setenv(variable, value)
			refused(t, q.flag, value, q.says)
			if err := os.Unsetenv(variable); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// refused wants a value to be refused, as a flag and as a variable.
func refused(t *testing.T, flag, value, says string, args ...string) {
	t.Helper()
	var out, stderr bytes.Buffer
	if code := run(append([]string{"serve"}, args...), &out, &stderr); code != exitUsage || out.Len() > 0 {
		t.Errorf("--%s, %s: exit %d, printed %q", flag, value, code, out.String())
	}
	for _, part := range []string{"--" + flag + ": ", value, says} {
		oneSentence(t, stderr.String(), part)
	}
}

// TestEachQuantityHasARange: quantities has every flag that is a number.
func TestEachQuantityHasARange(t *testing.T) {
	named := map[string]bool{}
	for _, q := range quantities {
		named[q.flag] = true
	}
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children {
		for _, flag := range command.Flags {
			switch flag.Target.Interface().(type) {
			case bool, string, []string, []proxy, []network, proxyMode, restartParent, memoryLimit:
			case count, perSecond, byteSize, period, fileMode:
				if !named[flag.Name] {
					t.Errorf("--%s has no line in the table", flag.Name)
				}
			case int, uint, int64, uint64, uint32, float64, time.Duration:
				t.Errorf("--%s has no range", flag.Name)
			default:
				t.Errorf("--%s is of type %v, which is new here", flag.Name, flag.Target.Type())
			}
		}
	}
}
