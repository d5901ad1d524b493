package moment

import "time"

// started is the time at which the process began, by both clocks.
var started = time.Now()

// Steady returns t in nanoseconds of a clock that no change of the system's time moves: it begins with the process, at
// the Unix time of then, and follows the monotonic readings. Of a t without one it returns the Unix time.
func Steady(t time.Time) int64 { return After(started.UnixNano(), t.Sub(started)) }

// Wall returns the time of the system's clock, as it is set at now, at which Steady returns at.
func Wall(at int64, now time.Time) time.Time { return now.Add(time.Duration(at - Steady(now))) }
