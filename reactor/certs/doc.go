// Package certs keeps the certificates of TLS servers and clients. A Store loads those of a server from files, chooses one
// for each client, loads them again when the files change, makes a self-signed one for a first try, and rotates the keys
// of session tickets. A ClientStore does the same for connections to other servers: authorities and client certificate.
// Their Config is for any TLS server or client, crypto/tls and net/http included.
package certs
