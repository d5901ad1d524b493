package spi

// Tunnel is the content of a response that accepts a WebSocket and passes its bytes on as
// they are. The server makes the answer to the opening handshake: 101 over HTTP/1.1, 200
// over HTTP/2 (RFC 8441), with the fields of the response. If the handshake is invalid, it
// answers with an error, and closes the Tunnel. At the end of the Source it ends its
// direction alone.
type Tunnel interface {
	Source
	// Opened is called once, on the loop, owned, when the answer was taken. in reads the
	// client's bytes until the request ends.
	Opened(in TunnelInput)
}

// TunnelInput reads the bytes of the client of a Tunnel. Its method is called on the loop.
type TunnelInput interface {
	// ReadBody is that of an Exchange.
	ReadBody(p []byte, ready func()) (n int, err error)
}

// Hijacker is an optional interface of an Exchange whose connection can be taken from HTTP.
type Hijacker interface {
	// Hijack ends HTTP on the connection after what was sent so far, and passes on its bytes in both directions: out
	// gives those for the peer. The rest of the response is dropped. Bytes from the peer that come after those that
	// were read as the request are read with the HijackedInput; unread content of a known length is among them. At the
	// end of out, its direction alone ends, or the connection if the HijackedInput is closed. out is closed when no
	// more is read from it. Hijack fails over HTTP/2, and if the response is complete, the connection is gone, or a
	// later request was read. On the loop, from user code.
	Hijack(out Source) (HijackedInput, error)
}

// HijackedInput reads the bytes of the peer of a hijacked connection. Its methods are called on the loop.
type HijackedInput interface {
	TunnelInput
	// CloseInput drops what was not read, and what follows.
	CloseInput()
}
