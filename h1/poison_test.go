//go:build poison

package h1

import "testing"

// The slice of an event's fields is overwritten at the next call; their strings
// remain valid.
func TestPoison(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	in := []byte(get)
	if _, err := d.c.Next(in, &d.ev); err != nil {
		t.Fatal(err)
	}
	fields, host := d.ev.Head.Fields, d.ev.Head.Fields[0].Value
	if _, err := d.c.Next(nil, &d.ev); err != nil {
		t.Fatal(err)
	}
	if fields[0].Value != poisoned || host != "a" {
		t.Errorf("kept %q, %q", fields[0].Value, host)
	}
	d.answers(1, hello)
	heads := d.c.first.heads[:1]
	d.said()
	if heads[0] != 0xdb {
		t.Errorf("a buffer that was given back holds %q", heads[0])
	}
}

func TestPoisonOfAClient(t *testing.T) {
	d := newClientDialogue(t, Limits{}).asks(getA)
	in := []byte("HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n")
	if _, err := d.c.Next(in, &d.ev); err != nil {
		t.Fatal(err)
	}
	fields, value := d.ev.Head.Fields, d.ev.Head.Fields[0].Value
	if _, err := d.c.Next(nil, &d.ev); err != nil {
		t.Fatal(err)
	}
	if fields[0].Value != poisoned || value != "b" {
		t.Errorf("kept %q, %q", fields[0].Value, value)
	}
}
