// Package interop tests package nethttp with libraries that take connections by http.Hijacker. It is a module of its own,
// so that they stay out of the main one.
package interop
