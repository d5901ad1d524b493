// Package interop holds tests of the gateway between clients and servers by others. It is a module of its own, so that
// they stay out of the main one.
package interop
