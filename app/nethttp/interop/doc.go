// Package interop holds tests of package nethttp with libraries and clients by others. It is a module of its own, so that
// they stay out of the main one.
package interop
