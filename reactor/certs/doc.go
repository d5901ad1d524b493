// Package certs keeps the certificates of TLS servers: it loads them from files, chooses one for each client,
// loads them again when the files change, makes a self-signed one for a first try, and rotates the keys of
// session tickets. Store.Config serves any TLS server, crypto/tls and net/http included.
package certs
