//go:build linux

package server

import "time"

// SetMemoryLevel has the server act as at that level of memory, as the sampler would.
func (s *Server) SetMemoryLevel(level MemoryLevel) {
	s.pressure.level.Store(uint32(level))
	s.pressure.relief.setLevel(s.loops(), level)
}

// RelieveMemory runs a round of the relief, as if the process needed so many bytes at a limit of 100 MiB.
func (s *Server) RelieveMemory(level MemoryLevel, needed uint64) {
	var r relief
	use := memoryUse{total: needed, objects: needed, live: needed}
	r.round(s.loops(), &gauge{limit: 100 << 20, level: level}, use, time.Second)
}
