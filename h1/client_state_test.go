package h1

import (
	"fmt"
	"testing"
)

// Every state crossed with every input: what is not listed here is illegal.

func TestClientReadTable(t *testing.T) {
	legal := map[[2]int]reading{}
	may := func(from reading, in readInput, to reading) { legal[[2]int{int(from), int(in)}] = to }
	may(noResponse, requested, inHead)
	may(inHead, interimRead, inHead)
	may(inHead, headPlain, noResponse)
	may(inHead, headTurn, switched)
	may(inHead, headLength, inLength)
	may(inHead, headChunked, inChunkLine)
	may(inHead, headUntilEOF, inUntilEOF)
	may(inLength, lengthRead, atEnd)
	may(inUntilEOF, eofRead, atEnd)
	may(inChunkLine, chunkBegun, inChunk)
	may(inChunkLine, lastChunk, inTrailers)
	may(inChunk, chunkRead, inChunkEnd)
	may(inChunkEnd, chunkEnded, inChunkLine)
	may(inTrailers, trailersRead, atEnd)
	may(atEnd, endEmitted, noResponse)
	for _, from := range []reading{noResponse, inHead, inUntilEOF, inLength, inChunkLine, inChunk, inChunkEnd, inTrailers, atEnd, switched, shut} {
		may(from, stopped, shut)
	}
	for from := reading(0); from < readings; from++ {
		for in := readInput(0); in < readInputs; in++ {
			got := from
			want, ok := legal[[2]int{int(from), int(in)}]
			if !ok {
				want = from
			}
			if got.step(&clientTable, in) != ok || got != want {
				t.Errorf("reading %d, input %d: %d, want %d", from, in, got, want)
			}
		}
	}
}

func TestAskTable(t *testing.T) {
	legal := map[[2]int]requesting{
		{int(noRequest), int(requestQueued)}:          headQueued,
		{int(noRequest), int(requestGivenUp)}:         requestStopped,
		{int(headQueued), int(requestHeadPulled)}:     contentSending,
		{int(headQueued), int(requestHeadPulledHeld)}: contentHeld,
		{int(headQueued), int(requestGivenUp)}:        requestStopped,
		{int(contentHeld), int(contentAllowed)}:       contentSending,
		{int(contentHeld), int(requestGivenUp)}:       requestStopped,
		{int(contentSending), int(requestPulled)}:     requestSent,
		{int(contentSending), int(requestGivenUp)}:    requestStopped,
		{int(requestSent), int(exchangeOver)}:         noRequest,
		{int(requestSent), int(requestGivenUp)}:       requestStopped,
		{int(requestStopped), int(requestGivenUp)}:    requestStopped,
	}
	for from := requesting(0); from < requestStates; from++ {
		for in := requestInput(0); in < requestInputs; in++ {
			got := from
			want, ok := legal[[2]int{int(from), int(in)}]
			if !ok {
				want = from
			}
			if got.step(in) != ok || got != want {
				t.Errorf("asking %d, input %d: %d, want %d", from, in, got, want)
			}
		}
	}
}

// An illegal step is a fault of the machine: the connection ends.
func TestIllegalStepOfAClient(t *testing.T) {
	d := newClientDialogue(t, Limits{}).asks(getA)
	d.c.read(chunkRead)
	d.checks(false, true).hear(okEmpty)
	if d.ev.Kind != Closed || d.c.Err() != errIllegal {
		t.Error(d.ev.Kind, d.c.Err())
	}
}

// clientSituations are ways into each state of reading and of the request.
var clientSituations = []struct {
	name string
	do   func(d *clientDialogue)
	read reading
	ask  requesting
}{
	{"fresh", func(d *clientDialogue) {}, noResponse, noRequest},
	{"between", func(d *clientDialogue) { d.asks(getA).hear(okEmpty) }, noResponse, noRequest},
	{"queued", func(d *clientDialogue) { _ = d.c.Request(postA) }, inHead, headQueued},
	{"asked", func(d *clientDialogue) { d.asks(getA) }, inHead, requestSent},
	{"asked HEAD", func(d *clientDialogue) { d.asks(headA) }, inHead, requestSent},
	{"asked to upgrade", func(d *clientDialogue) { d.asks(upgradeA) }, inHead, requestSent},
	{"asked to connect", func(d *clientDialogue) { d.asks(connectA) }, inHead, requestSent},
	{"in a head", func(d *clientDialogue) { d.asks(getA).hear("HTTP/1.1 20") }, inHead, requestSent},
	{"in fields", func(d *clientDialogue) { d.asks(getA).hear(okLine + "A: b") }, inHead, requestSent},
	{"after hints", func(d *clientDialogue) { d.asks(getA).hear(hints) }, inHead, requestSent},
	{"holding", func(d *clientDialogue) {
		r := upload("a", "", "b")
		r.Expect = true
		d.asks(r)
	}, inHead, contentHeld},
	{"uploading", func(d *clientDialogue) { d.asks(upload("a", "", "b")) }, inHead, contentSending},
	{"uploading, and in content", func(d *clientDialogue) { d.asks(upload("a", "", "b")).hear(okChunks + "5\r\nab") }, inChunk, contentSending},
	{"uploading, answered", func(d *clientDialogue) { d.asks(upload("a", "", "b")).hear(okEmpty) }, noResponse, contentSending},
	{"stopped, in content", func(d *clientDialogue) {
		d.asks(upload("a", "", "b")).hear(okLine + "Content-Length: 5\r\n\r\nab").c.StopSending()
	}, inLength, requestStopped},
	{"stopped, in a head", func(d *clientDialogue) { d.asks(upload("a", "", "b")).c.StopSending() }, inHead, requestStopped},
	{"in content", func(d *clientDialogue) { d.asks(getA).hear(okLine + "Content-Length: 5\r\n\r\nab") }, inLength, requestSent},
	{"in content until the end", func(d *clientDialogue) { d.asks(getA).hear(okLine + "\r\nab") }, inUntilEOF, requestSent},
	{"in a chunk's line", func(d *clientDialogue) { d.asks(getA).hear(okChunks + "1") }, inChunkLine, requestSent},
	{"in a chunk", func(d *clientDialogue) { d.asks(getA).hear(okChunks + "5\r\nab") }, inChunk, requestSent},
	{"after a chunk", func(d *clientDialogue) { d.asks(getA).hear(okChunks + "2\r\nab\r") }, inChunkEnd, requestSent},
	{"in trailers", func(d *clientDialogue) { d.asks(getA).hear(okChunks + "0\r\nA: b\r") }, inTrailers, requestSent},
	{"at the end", func(d *clientDialogue) {
		d.asks(getA)
		in := okLine + "Content-Length: 1\r\n\r\nx"
		n, _ := d.c.Next([]byte(in), &d.ev)
		_, _ = d.c.Next([]byte(in[n:]), &d.ev)
	}, atEnd, requestSent},
	{"switched", func(d *clientDialogue) { d.asks(connectA).hear("HTTP/1.1 200\r\n\r\n") }, switched, requestSent},
	{"closed", func(d *clientDialogue) { d.asks(getA).hear("x") }, shut, requestStopped},
}

// clientInputs are what can happen to a connection.
var clientInputs = []struct {
	name string
	do   func(d *clientDialogue) error
}{
	{"nothing", func(d *clientDialogue) error { d.hear(""); return nil }},
	{"a letter", func(d *clientDialogue) error { d.hear("a"); return nil }},
	{"an end of line", func(d *clientDialogue) error { d.hear("\r\n"); return nil }},
	{"a response", func(d *clientDialogue) error { d.hear(okLine + "Content-Length: 2\r\n\r\nok"); return nil }},
	{"an interim response", func(d *clientDialogue) error { d.hear("HTTP/1.1 100 x\r\n\r\n"); return nil }},
	{"a response until the end", func(d *clientDialogue) error { d.hear(okLine + "\r\nok"); return nil }},
	{"the last chunk", func(d *clientDialogue) error { d.hear("0\r\n\r\n"); return nil }},
	{"a request", func(d *clientDialogue) error { return d.c.Request(getA) }},
	{"an upload", func(d *clientDialogue) error { return d.c.Request(upload("a", "", "b")) }},
	{"a short upload", func(d *clientDialogue) error {
		return d.c.Request(&ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: &feed{}, Length: 9})
	}},
	{"an invalid request", func(d *clientDialogue) error { return d.c.Request(&ClientRequest{Method: "A B", Target: "/"}) }},
	{"proceed", func(d *clientDialogue) error { d.c.Proceed(); return nil }},
	{"resume", func(d *clientDialogue) error { d.c.Resume(); return nil }},
	{"stop sending", func(d *clientDialogue) error { d.c.StopSending(); return nil }},
	{"abort", func(d *clientDialogue) error { d.c.Abort(); return nil }},
	{"drain", func(d *clientDialogue) error { d.c.Drain(); return nil }},
	{"FIN", func(d *clientDialogue) error { d.eof(); return nil }},
	{"pull", func(d *clientDialogue) error { d.said(); return nil }},
	{"release", func(d *clientDialogue) error { d.c.Release(); return nil }},
}

// Any two inputs from any stand leave a connection that is sound, and that ends with the
// server's FIN.
func TestEveryStandOfAClientMeetsEveryInput(t *testing.T) {
	for _, stand := range clientSituations {
		for _, one := range clientInputs {
			for _, two := range clientInputs {
				d := newClientDialogue(t, Limits{})
				stand.do(d)
				if d.c.reading != stand.read || d.c.requesting != stand.ask {
					t.Fatalf("%s: reading %d, asking %d, want %d, %d", stand.name, d.c.reading, d.c.requesting, stand.read, stand.ask)
				}
				name := fmt.Sprintf("%s, %s, %s", stand.name, one.name, two.name)
				for _, input := range []func(*clientDialogue) error{one.do, two.do} {
					if err := input(d); err != nil && err != ErrBusy && err != ErrClosed && err != ErrMethod {
						t.Errorf("%s: %v", name, err)
					}
					clientInvariants(t, name, d)
				}
				d.hear("").eof()
				if !d.c.Done() && d.c.reading != switched {
					t.Errorf("%s: not done after FIN: reading %d, asking %d", name, d.c.reading, d.c.requesting)
				}
				if d.c.ex != nil {
					t.Errorf("%s: an exchange is left", name)
				}
			}
		}
	}
}
