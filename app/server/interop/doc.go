// Package interop holds tests of the server against clients by others: Go's, Node's, Python's and a
// browser. It is a module of its own, so that they stay out of the main one.
package interop
