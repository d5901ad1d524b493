package h1

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// acquaint has a loop read something until it knows the heads in it.
func acquaint(t testing.TB, sh *Shared, in string) {
	for range memoEvery {
		playOn(t, sh, nil, in)
	}
}

// A head that is remembered means what it meant, to every connection of the loop, and so does what
// follows it.
func TestRememberedHeads(t *testing.T) {
	sh := NewShared(Limits{})
	for range 2 {
		for _, test := range accepted {
			for _, after := range []string{"", next} {
				want, said, _ := play(t, Limits{}, nil, test.in+after)
				acquaint(t, sh, test.in+after)
				got, again, _ := playOn(t, sh, nil, test.in+after)
				if !slices.Equal(got, want) || again != said {
					t.Errorf("%s: got\n%s\n%q\nwant\n%s\n%q", test.name, strings.Join(got, "\n"), again, strings.Join(want, "\n"), said)
				}
			}
		}
	}
}

// A head that begins like one that is remembered, or lacks its end, is another one.
func TestHeadsLikeARememberedOne(t *testing.T) {
	const known = "GET /same HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"
	sh := NewShared(Limits{})
	acquaint(t, sh, known)
	for _, in := range []string{
		"GET /same HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n",
		"GET /same HTTP/1.1\r\nHost: a\r\nX: 12\r\n\r\n",
		"GET /same HTTP/1.0\r\nHost: a\r\nX: 1\r\n\r\n",
		"PUT /same HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n",
		"GET /same HTTP/1.1\r\nHost: a\r\nX: 1\r\n\n",
		"GET /same HTTP/1.1\r\nHost: a\r\nX: 1\r\n",
		known[:len(known)-1],
		known + "GET",
		"\r\n" + known,
	} {
		want, said, _ := play(t, Limits{}, nil, in)
		got, again, _ := playOn(t, sh, nil, in)
		if !slices.Equal(got, want) || again != said {
			t.Errorf("%q: got %q %q, want %q %q", in, got, again, want, said)
		}
	}
}

// Changes by an application to the fields of a request do not affect later requests.
func TestRememberedFieldsAreCopied(t *testing.T) {
	sh := NewShared(Limits{})
	acquaint(t, sh, get)
	for range 2 {
		d := newDialogueOn(t, sh)
		d.app = func(d *dialogue) {
			if d.ev.Kind != Request {
				return
			}
			if name := d.ev.Head.Fields[0].Name; name != "Host" {
				t.Errorf("the field is called %q", name)
			}
			d.ev.Head.Fields[0].Name = "changed"
		}
		d.hear(get)
	}
}

// Credentials do not outlive their request: a loop remembers no head that has some, nor a response.
func TestSecretsAreNotRemembered(t *testing.T) {
	const secret = "b3BlbjpzZXNhbWU"
	for _, line := range []string{"Authorization: Basic ", "proxy-authorization: Basic ", "Cookie: id=", "X-Api-Key: ", "X-Auth-Token: ",
		"X-CSRF-Token: ", "X-Forwarded-Client-Cert: "} {
		sh := NewShared(Limits{})
		acquaint(t, sh, getHost+line+secret+"\r\n\r\n")
		forgot(t, sh, line, secret)
	}
	sh := NewShared(Limits{})
	acquaint(t, sh, "GET /?a=b&access_token="+secret+" HTTP/1.1\r\nHost: a\r\n\r\n")
	forgot(t, sh, "a parameter", secret)
	for _, name := range []string{"Set-Cookie", "X-CSRF-Token", "Authentication-Info"} {
		sh := NewShared(Limits{})
		fields := []Field{{"X", "1"}, {name, secret}}
		d := newDialogueOn(t, sh)
		d.app = silent
		d.hear(get).answers(1, &Response{Status: 200, Fields: fields})
		if sh.answer.Match(200, fields, sh.date.second) != nil {
			t.Errorf("%s is remembered with its answer", name)
		}
	}
}

func forgot(t *testing.T, sh *Shared, what, secret string) {
	t.Helper()
	for i := range sh.memos {
		if strings.Contains(sh.memos[i].text, secret) {
			t.Errorf("%s is remembered with its head", what)
		}
	}
}

// Memory for heads is bounded, however many differ.
func TestRememberedHeadsAreBounded(t *testing.T) {
	sh := NewShared(Limits{})
	long := strings.Repeat("x", maxMemo)
	for i := range memos * memoEvery * 4 {
		playOn(t, sh, nil, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i))
		playOn(t, sh, nil, fmt.Sprintf("GET /%d HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", i, long))
	}
	known := 0
	for i := range sh.memos {
		if n := len(sh.memos[i].text); n > maxMemo {
			t.Errorf("%d bytes are remembered of one", n)
		} else if n > 0 {
			known++
		}
	}
	if known < memos/2 {
		t.Errorf("only %d of %d places are used", known, memos)
	}
}

// A response's head that is remembered means what it meant, with the request that it answers.
func TestRememberedResponses(t *testing.T) {
	sh := NewShared(Limits{})
	for range 2 * memoEvery {
		for _, test := range responses {
			for _, request := range []*ClientRequest{getA, headA, connectA} {
				want, _, fresh := hearAll(t, NewShared(Limits{}), request, []string{test.in})
				got, _, d := hearAll(t, sh, request, []string{test.in})
				if !slices.Equal(got, want) || d.c.Idle() != fresh.c.Idle() {
					t.Fatalf("%s, %s: got\n%s\nwant\n%s", test.name, request.Method, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
		}
	}
	// A limit applies to a head that is remembered too.
	long := okLine + "A: " + strings.Repeat("x", 200) + "\r\nContent-Length: 0\r\n\r\n"
	for range memoEvery {
		hearAll(t, sh, getA, []string{long})
	}
	d := newClientDialogueOn(t, sh)
	d.c.LimitHead(100)
	d.asks(getA).hear(long)
	if kind, ok := fault(d.err); !ok || kind != HeadTooLarge {
		t.Error(d.err)
	}
}

// A response with credentials is not remembered.
func TestSecretResponsesAreNotRemembered(t *testing.T) {
	const secret = "b3BlbjpzZXNhbWU"
	sh := NewShared(Limits{})
	for range 2 * memoEvery {
		hearAll(t, sh, getA, []string{okLine + "Set-Cookie: a=" + secret + "\r\nContent-Length: 0\r\n\r\n"})
	}
	for _, list := range sh.responses {
		for i := range list {
			if list[i].text != "" {
				t.Errorf("%q is remembered", list[i].text)
			}
		}
	}
}

// A response's head is encoded afresh when anything in it has changed.
func TestRememberedAnswers(t *testing.T) {
	sh := NewShared(Limits{})
	now := time.Unix(1700000000, 0)
	fields := []Field{{"Content-Type", "text/plain"}, {"X", "1"}}
	for i, change := range []func(*Response){
		func(*Response) {},
		func(*Response) {},
		func(r *Response) { r.Bytes = []byte("longer than before") },
		func(r *Response) { r.Status = 404 },
		func(r *Response) { fields[1].Value = "2" },
		func(r *Response) { fields[1].Name = "Y" },
		func(r *Response) { r.Fields = fields[:1] },
		func(r *Response) { r.Fields = append(fields, Field{"Connection", "close"}) },
		func(r *Response) { r.Fields = append(fields, Field{"Content-Length", "7"}) },
		func(r *Response) { r.Close = true },
		func(r *Response) { now = time.Unix(1700000001, 0) },
		func(r *Response) { r.Fields = append(fields, Field{"Date", "then"}) },
		func(r *Response) { r.Status = 304 },
		func(r *Response) { r.Source, r.Length = &feed{pieces: []string{"abc"}}, -1 },
		func(r *Response) { r.Source, r.Length = &feed{pieces: []string{"abc"}}, 3 },
	} {
		for _, request := range []string{get, head, kept} {
			answer := func(sh *Shared) string {
				r := &Response{Status: 200, Fields: fields, Bytes: []byte("Hello")}
				change(r)
				sh.Tick(now)
				d := newDialogueOn(t, sh)
				d.app = silent
				d.hear(request)
				if err := d.c.Respond(1, r); err != nil {
					t.Fatal(err)
				}
				return d.said()
			}
			if got, want := answer(sh), answer(NewShared(Limits{})); got != want {
				t.Errorf("%d: got %q, want %q", i, got, want)
			}
		}
	}
}
