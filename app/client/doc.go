// Package client asks other servers from the loops of a server, over HTTP/1.1 and HTTP/2.
package client
