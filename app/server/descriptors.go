//go:build linux

package server

import (
	"cmp"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// fewConnections is the number of connections for which a descriptor limit should have room where
// Config.MaxConnections does not say.
const fewConnections = 4000

// warnDescriptorLimit logs that the process's limit of open descriptors, which has been raised as far as allowed,
// leaves room for fewer connections than Config.MaxConnections or fewConnections.
func (s *Server) warnDescriptorLimit() {
	room, wanted := s.reactor.Stats().Limit, cmp.Or(s.config.MaxConnections, fewConnections)
	var limit unix.Rlimit
	if room >= wanted || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	s.log.Warn("the descriptor limit (RLIMIT_NOFILE) is low", zap.Uint64("limit", limit.Cur),
		zap.Int("connections", room), zap.Int("max_connections", s.config.MaxConnections))
}
