package ws_test

import (
	"fmt"

	"github.com/gatewheel/gatewheel/ws"
)

// A server that echoes messages. receive is called with everything that was not
// consumed yet; what it returns is to be written.
func ExampleConn() {
	var shared ws.Shared
	var conn ws.Conn
	var whole ws.Assembler
	conn.Init(&shared, ws.Server, ws.Deflate{}, nil)

	receive := func(in []byte) (consumed int, out []byte) {
		var ev ws.Event
		for ev.Kind = ws.Data; ev.Kind != ws.NeedMore && ev.Kind != ws.Closed; {
			n, err := conn.Next(in[consumed:], &ev)
			consumed += n
			if err != nil {
				fmt.Println(err)
				break
			}
			if ev.Kind == ws.Data {
				if message, ok := whole.Add(&ev); ok {
					fmt.Printf("message: %s\n", message)
					_ = conn.Send(ev.Op, message)
				}
			}
		}
		return consumed, conn.Transmit(nil, 64<<10)
	}

	// "Hello" of a client, masked, followed by half a header.
	n, out := receive([]byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58\x81"))
	fmt.Printf("consumed %d, answered %x\n", n, out)
	// Output:
	// message: Hello
	// consumed 11, answered 810548656c6c6f
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
