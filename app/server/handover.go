//go:build linux

package server

import "github.com/gatewheel/gatewheel/reactor"

// PassListeners returns the listeners with duplicates of their sockets, for a process that is to replace this one. Their
// order is that of Addrs. Both processes may accept from them, until HandOver ends it. Any goroutine.
func (s *Server) PassListeners() ([]reactor.PassedListener, error) { return s.reactor.PassListeners() }

// HandOver leaves listeners to the process that has taken them, by their index in the result of PassListeners. Shutdown
// then begins without Config.DrainDelay, leaves the connections that wait in them to the other process, and does not
// remove files of unix sockets. Call it before Shutdown. Any goroutine.
func (s *Server) HandOver(taken []int) {
	s.delay.end()
	s.reactor.HandOver(taken)
}
