// Package server serves an app.Handler over HTTP/1.1, HTTP/2 and WebSocket, in cleartext and over TLS. It detects the
// protocol of a connection, binds a session to it, and passes requests to the handler and responses to the peer.
//
// Programs call Run, or New and Server.Run:
//
//	err := server.Run(ctx, server.Config{Handler: handler, Listen: []string{":8080"}, StopOnSignal: true})
//
// The event loops need Linux. Elsewhere a development server of package net/http stands behind the same names, so that
// programs run on the machines on which they are written; see Server.
package server
