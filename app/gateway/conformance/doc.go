// Package conformance holds tests of the gateway with hand-made peers: clients and servers that write and read the bytes of
// HTTP/1.1 and the frames of HTTP/2 themselves, over all pairs of HTTP/1.1, HTTP/2 in the clear and HTTP/2 over TLS.
package conformance
