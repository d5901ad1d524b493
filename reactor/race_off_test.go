//go:build linux && !race

package reactor

// crowd is how many goroutines a process has in tests of the watchdog.
const crowd = 100_000
