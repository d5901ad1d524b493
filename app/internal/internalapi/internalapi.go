// Package internalapi gives the packages below app access to functions of packages app
// and app/websocket that applications must not see.
//
// App and WebSocket are values whose methods are those functions. They are of type any,
// since this package cannot import app, which imports it. The importer asserts the
// value to an interface with the methods that it calls:
//
//	var core = internalapi.App.(interface{ Cancel(r *app.Request, cause error) })
//
// A missing method, or one with another signature, is a panic at the start of every
// program and every test.
package internalapi

import "errors"

// App is set by package app and WebSocket by package app/websocket, when they are
// initialized.
var App, WebSocket any

// ErrAborted is that of package spi.
var ErrAborted = errors.New("app: the response was aborted")
