package ws_test

import (
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/ws"
)

// A server that echoes messages, without a network: what the transport receives goes
// into receive, and what receive returns goes to the transport.
func ExampleConn() {
	var shared ws.Shared
	var conn ws.Conn
	shared.Tick(time.Now())
	conn.Init(&shared, ws.Server, ws.Deflate{}, nil)

	var kept, message []byte // input that was not consumed, and a message in progress
	receive := func(in []byte) (out []byte) {
		shared.Tick(time.Now())
		kept = append(kept, in...)
		for {
			var ev ws.Event
			n, err := conn.Next(kept, &ev)
			kept = kept[n:]
			switch {
			case err != nil:
				// The Close frame that tells the peer is queued.
				fmt.Println(err)
				return conn.Transmit(nil, 64<<10)
			case ev.Kind == ws.NeedMore || ev.Kind == ws.Closed:
				return conn.Transmit(nil, 64<<10)
			case ev.Kind == ws.Data:
				message = append(message, ev.Data...)
				if ev.Final {
					fmt.Printf("message: %s\n", message)
					_ = conn.Send(ev.Op, message)
					message = message[:0]
				}
			case ev.Kind == ws.Close:
				fmt.Println("closed:", ev.Code, ev.Reason)
			}
		}
	}

	// A client's "Hello", masked, in two reads; then its Close frame.
	fmt.Println("sent:", len(receive([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f"))))
	fmt.Printf("sent: %x\n", receive([]byte("\x4d\x51\x58")))
	fmt.Printf("sent: %x\n", receive([]byte("\x88\x85\x00\x00\x00\x00\x03\xe8bye")))
	fmt.Println("end the transport:", conn.Done())
	// Output:
	// sent: 0
	// message: Hello
	// sent: 810548656c6c6f
	// closed: 1000 bye
	// sent: 880203e8
	// end the transport: true
}

// Choosing what a client offered.
func ExampleParseUpgrade() {
	hello, err := ws.ParseUpgrade("GET", 1, []ws.Field{
		{Name: "Upgrade", Value: "websocket"},
		{Name: "Connection", Value: "Upgrade"},
		{Name: "Sec-WebSocket-Key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		{Name: "Sec-WebSocket-Version", Value: "13"},
		{Name: "Sec-WebSocket-Protocol", Value: "v2.chat, v1.chat"},
		{Name: "Sec-WebSocket-Extensions", Value: "permessage-deflate; client_max_window_bits"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy := ws.DeflatePolicy{ServerContext: true}
	_, extensions := policy.Answer(hello.Extensions)
	protocol := ws.ChooseProtocol(hello.Protocols, []string{"v1.chat"})
	for _, f := range ws.AnswerFields(&hello, protocol, extensions) {
		fmt.Println(f.Name+":", f.Value)
	}
	// Output:
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: v1.chat
	// Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover
}
