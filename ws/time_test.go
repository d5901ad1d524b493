package ws

import (
	"errors"
	"testing"
	"time"
)

// clock moves a player's time.
type clock struct {
	*player
	now time.Time
}

func newClock(set *Settings) *clock {
	return &clock{player: newPlayer(Server, Deflate{}, set), now: time.Unix(1000, 0)}
}

// pass lets time pass to the next deadline, which must be after d, and expires it.
func (k *clock) pass(t *testing.T, d time.Duration) error {
	t.Helper()
	k.now = k.now.Add(d)
	if due := k.conn.Deadline(); !due.Equal(k.now) {
		t.Fatalf("due %v from now, want %v", due.Sub(k.now)+d, d)
	}
	if err := k.conn.Expire(k.now.Add(-1)); err != nil || k.conn.Queued() > 0 {
		t.Fatalf("early: %v", err)
	}
	err := k.conn.Expire(k.now)
	k.receive(nil)
	return err
}

// hear receives bytes after d.
func (k *clock) hear(d time.Duration, in []byte) {
	k.now = k.now.Add(d)
	k.conn.sh.Tick(k.now)
	k.receive(in)
}

func TestNoTimes(t *testing.T) {
	k := newClock(nil)
	if due := k.conn.Deadline(); !due.IsZero() {
		t.Errorf("due at %v", due)
	}
}

// A silent peer is pinged, and given up if it stays silent.
func TestKeepAlive(t *testing.T) {
	k := newClock(&Settings{KeepAlive: 30 * time.Second, PongTimeout: 10 * time.Second})
	k.hear(10*time.Second, wire(text("a")))
	if err := k.pass(t, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	k.hear(9*time.Second, wire(pong("")))
	if err := k.pass(t, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	k.want(t, "text:a pong", "ping ping")
	var failure *Error
	if err := k.pass(t, 10*time.Second); !errors.As(err, &failure) || failure.Code != CloseGoingAway {
		t.Fatal(err)
	}
	k.want(t, "text:a pong error:1001", "ping ping close:1001")
	if !k.conn.Done() {
		t.Error("not done")
	}
}

// Any byte is a sign of life, even amid a frame.
func TestKeepAliveWithinFrame(t *testing.T) {
	k := newClock(&Settings{KeepAlive: 30 * time.Second})
	in := wire(binaryOf(1000))
	for i := range 10 {
		k.hear(20*time.Second, in[i*100:i*100+100])
	}
	if err := k.pass(t, 30*time.Second); err != nil {
		t.Fatal(err)
	}
}

// Only messages keep a connection from being idle, in either direction.
func TestIdle(t *testing.T) {
	k := newClock(&Settings{Idle: time.Minute, CloseTimeout: 3 * time.Second})
	k.hear(50*time.Second, wire(text("a")))
	k.hear(30*time.Second, nil)
	if err := k.conn.Send(Text, []byte("b")); err != nil {
		t.Fatal(err)
	}
	k.receive(nil)
	k.hear(59*time.Second, wire(ping("")))
	if err := k.pass(t, time.Second); err != nil {
		t.Fatal(err)
	}
	k.want(t, "text:a ping", "text:b pong close:1001")
	k.hear(time.Second, wire(closeOf(1001, "")))
	k.want(t, "text:a ping close:1001", "text:b pong close:1001")
}

// While the caller does not read, no idle or keep-alive time passes.
func TestPause(t *testing.T) {
	k := newClock(&Settings{KeepAlive: 30 * time.Second, Idle: 40 * time.Second, CloseTimeout: 3 * time.Second})
	if err := k.pass(t, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	k.conn.Pause()
	if due := k.conn.Deadline(); !due.IsZero() {
		t.Errorf("due at %v while paused", due)
	}
	k.now = k.now.Add(time.Hour)
	if err := k.conn.Expire(k.now); err != nil {
		t.Fatal(err)
	}
	k.conn.Resume()
	if err := k.pass(t, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	if err := k.pass(t, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	k.want(t, "", "ping ping close:1001")
	k.conn.Pause()
	if err := k.pass(t, 3*time.Second); err == nil {
		t.Error("the closing handshake waits for a paused caller")
	}
}

// The closing handshake does not wait for ever, and a peer that does not read
// does not keep its output.
func TestCloseTimeout(t *testing.T) {
	for name, begin := range map[string]func(*clock){
		"ours":    func(k *clock) { _ = k.conn.Close(CloseNormal, "") },
		"theirs":  func(k *clock) { k.hear(0, wire(closeOf(1000, ""))) },
		"failure": func(k *clock) { k.hear(0, []byte("\xff\xff")) },
	} {
		k := newClock(&Settings{CloseTimeout: 3 * time.Second, KeepAlive: time.Second})
		begin(k)
		k.receive(nil)
		if err := k.conn.Expire(k.now.Add(time.Second)); err != nil {
			t.Errorf("%s: early: %v", name, err)
		}
		if err := k.pass(t, 3*time.Second); err == nil || !k.conn.Done() {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := newClock(&Settings{CloseTimeout: 3 * time.Second})
	_ = k.conn.Send(Binary, make([]byte, 100000))
	_ = k.conn.Close(CloseNormal, "")
	if err := k.conn.Expire(k.now.Add(3 * time.Second)); err == nil || k.conn.Queued() > 0 || !k.conn.Done() {
		t.Errorf("%d bytes left: %v", k.conn.Queued(), err)
	}
}

// A message must be complete within its time, which passes while the peer sends
// and not while the caller does not read.
func TestMessageTime(t *testing.T) {
	set := &Settings{MessageTimeout: time.Minute}
	for name, in := range map[string][]byte{
		"fragments": wire(first("a")), "one frame": wire(text("abc"))[:8], "header": wire(text("abc"))[:6],
	} {
		k := newClock(set)
		k.hear(0, in)
		k.hear(20*time.Second, wire())
		var failure *Error
		if err := k.pass(t, 40*time.Second); !errors.As(err, &failure) || failure.Code != ClosePolicyViolation {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := newClock(set)
	k.hear(0, wire(first("a")))
	k.hear(50*time.Second, wire(ping("")))
	k.conn.Pause()
	k.hear(time.Hour, nil)
	k.conn.Resume()
	k.hear(5*time.Second, wire(last("b")))
	if due := k.conn.Deadline(); !due.IsZero() {
		t.Errorf("due at %v, behind the message", due)
	}
	k.want(t, "ping text:ab", "pong")
	k = newClock(&Settings{MessageTimeout: -1})
	k.hear(0, wire(first("a")))
	if due := k.conn.Deadline(); !due.IsZero() {
		t.Errorf("due at %v, without a limit", due)
	}
}
