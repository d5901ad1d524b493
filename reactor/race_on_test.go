//go:build linux && race

package reactor

// crowd is how many goroutines a process has in tests of the watchdog. The race detector takes 8,128 at most.
const crowd = 5_000

// slowdown is what the race detector costs (its documentation: 2-20 times).
const slowdown = 10
