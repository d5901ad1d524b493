//go:build linux && !race

package reactor

// crowd is how many goroutines a process has in tests of the watchdog.
const crowd = 100_000

// slowdown is how much longer the tests' programs take than without the race detector.
const slowdown = 1
