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
