// Package unexported passes functions that a package does not export to the
// packages around it: what package app does for package app/spi must not be among
// what applications see.
//
// A package that gives sets its variable when it is initialized, and one that takes,
// which imports it, asserts the variable to an interface with the methods that it
// needs. A method that is missing, or has another signature, is a panic at the start
// of every program and every test.
package unexported

// App is set by package app, WebSocket by package app/websocket.
var App, WebSocket any

// Route is a pattern of a router.
type Route struct {
	Pattern string
	// Names are those of the wildcards, in order; "" is a trailing slash.
	Names []string
	// Rest says that the last wildcard takes any number of segments.
	Rest bool
}
