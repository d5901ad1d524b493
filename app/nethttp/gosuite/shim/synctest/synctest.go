// Package synctest has the functions of testing/synctest for tests whose server runs in real time: a bubble does not see
// the server's loops, which wait in system calls.
package synctest

import (
	"testing"
	"time"
)

// settleTime is how long Wait leaves to the server and its peers.
const settleTime = 100 * time.Millisecond

// Test calls f, without a bubble.
func Test(t *testing.T, f func(*testing.T)) { f(t) }

// Wait waits until what has begun has probably ended.
func Wait() { time.Sleep(settleTime) }
