// Package unexported passes functions that packages app and app/websocket do not export
// to the packages around them, so that applications do not see them.
//
// A package sets its variable when it is initialized. A package that imports it asserts
// the variable to an interface with the methods that it needs. A missing method, or one
// with another signature, is a panic at the start of every program and every test.
package unexported

// App is set by package app, WebSocket by package app/websocket.
var App, WebSocket any

// Route is a pattern of a router.
type Route struct {
	Pattern string
	// Names are the names of the wildcards, in order; that of a final slash is empty.
	Names []string
	// Rest reports whether the last wildcard matches any number of segments.
	Rest bool
}
