package reactor

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"

	proxyproto "github.com/pires/go-proxyproto"
)

const (
	// longestProxyLine is the longest header of version 1, its CRLF included.
	longestProxyLine = 107
	// proxyCommand2 is version 2 with the command PROXY.
	proxyCommand2 = 0x21
	// proxyBlock is the length of version 2's fixed part: signature, command, family, length.
	proxyBlock = 16
)

var (
	proxySignature1 = append(bytes.Clone(proxyproto.SIGV1), ' ')
	proxySignature2 = proxyproto.SIGV2
)

var (
	errProxyHeader  = errors.New("reactor: invalid PROXY header")
	errProxyMissing = errors.New("reactor: no PROXY header where one is required")
	errProxyPeer    = errors.New("reactor: this peer may not send a PROXY header")
)

// proxyLength returns the length of the PROXY header that b begins with: 0 if there is none, -1 if more input is
// needed to tell. It looks at the framing only; parseProxyHeader does the rest.
func proxyLength(b []byte) (int, error) {
	switch {
	case bytes.HasPrefix(b, proxySignature1):
		if end := bytes.IndexByte(b[:min(len(b), longestProxyLine)], '\n'); end >= 0 {
			return end + 1, nil
		}
		if len(b) >= longestProxyLine {
			return 0, fmt.Errorf("%w: no end of line in its first %d bytes", errProxyHeader, longestProxyLine)
		}
		return -1, nil
	case bytes.HasPrefix(b, proxySignature2):
		if len(b) < proxyBlock {
			return -1, nil
		}
		size := int(b[14])<<8 | int(b[15])
		if size > int(proxyproto.MaxV2HeaderSize) {
			return 0, fmt.Errorf("%w: %d bytes long", errProxyHeader, size)
		}
		if len(b) < proxyBlock+size {
			return -1, nil
		}
		return proxyBlock + size, nil
	case bytes.HasPrefix(proxySignature1, b), bytes.HasPrefix(proxySignature2, b):
		return -1, nil
	}
	return 0, nil
}

// init accepts IPv4 addresses in a line of version 1 for TCP6, which some proxies send for a listener of both
// families. The library has no other way to ask for it than this variable of the process.
func init() { proxyproto.V1AcceptIPv4InTCP6 = true }

// withoutInput returns the part of an error of proxyproto's that does not quote what the peer sent.
func withoutInput(err error) error {
	for {
		wrapped, ok := err.(interface{ Unwrap() []error })
		if !ok {
			return err
		}
		err = wrapped.Unwrap()[0]
	}
}

// parseProxyHeader returns the two addresses in a whole header; nil if it has none: the proxy speaks for itself
// (LOCAL) or does not know them (UNKNOWN).
func parseProxyHeader(b []byte) (source, destination net.Addr, err error) {
	if bytes.HasPrefix(b, proxySignature2) && len(b) >= proxyBlock && b[12] == proxyCommand2 && b[13]>>4 == 0 {
		// The family AF_UNSPEC: the proxy knows no address. The protocol lets the receiver refuse that;
		// it is accepted as UNKNOWN in version 1 is, which means the same.
		return nil, nil, nil
	}
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(b), len(b)))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errProxyHeader, withoutInput(err))
	}
	if header.Command.IsLocal() || header.TransportProtocol.IsUnspec() {
		return nil, nil, nil
	}
	if !header.TransportProtocol.IsStream() {
		return nil, nil, fmt.Errorf("%w: it is about datagrams", errProxyHeader)
	}
	return header.SourceAddr, header.DestinationAddr, nil
}
