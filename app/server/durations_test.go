//go:build linux

package server_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
)

// setDurations sets every duration of the configuration, whatever struct it lies in, to one that is as good
// as for ever.
func setDurations(v reflect.Value) (set int) {
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Type() == reflect.TypeFor[time.Duration]():
			f.SetInt(math.MaxInt64 - rand.Int64()>>rand.IntN(63)&math.MaxInt32)
			set++
		case f.Kind() == reflect.Struct && f.CanSet():
			set += setDurations(f)
		}
	}
	return set
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// A duration that means "for ever" is one, in each option and in each call that takes one: nothing ends
// early, and no timer spins.
func TestForEverIsForEver(t *testing.T) {
	const long = time.Duration(math.MaxInt64)
	early := make(chan string, 100)
	waits := func(r *app.Request) app.Answer {
		for _, d := range []time.Duration{long, long - 1, long - time.Hour, long / 2} {
			app.Sleep(r, d).Done(func(_ app.Done, err error) {
				if err == nil {
					early <- "Sleep"
				}
			})
			_, pending := app.Promised[int](r)
			app.Timeout(r, d, pending).Done(func(_ int, err error) {
				if errors.Is(err, app.ErrDeadline) && context.Cause(r.Context()) == nil {
					early <- "Timeout"
				}
			})
			r.Loop().After(d, func() { early <- "After" })
			r.SetTimeout(d)
		}
		_, f := app.Promised[*app.Response](r)
		return f
	}
	s := serve(t, waits, func(c *server.Config) {
		if n := setDurations(reflect.ValueOf(c).Elem()); n < 10 {
			t.Errorf("only %d durations are known", n)
		}
		c.Stall.Warn, c.Stall.Timeout = time.Second, time.Second
	})
	idle, silent, one, two := s.dial(), s.dial(), s.dial(), s.dial2()
	idle.say("GET /idle HTTP/1.1\r\nHost: a\r\n\r")
	one.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
	two.request(1, "GET", "/", true)
	began := processorTime(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // in which a broken sum shows
	defer cancel()
	select {
	case what := <-early:
		t.Errorf("%s is over", what)
	case <-ctx.Done():
	}
	if used := processorTime(t) - began; used > 200*time.Millisecond {
		t.Errorf("%v of processor time while nothing happens", used)
	}
	for _, l := range []*line{idle, silent, one} {
		l.nothing()
	}
	if n := s.Stats().Connections; n != 4 {
		t.Errorf("%d of 4 connections are left", n)
	}
	for _, l := range []*line{idle, silent, one, two.line} {
		l.reset()
	}
	// The drain delay is over with the context alone.
	brief, end := context.WithTimeout(t.Context(), soon)
	defer end()
	if err := s.Shutdown(brief); brief.Err() == nil {
		t.Errorf("the drain delay is over, %v", err)
	}
}
