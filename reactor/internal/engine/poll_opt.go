//go:build poll_opt

package engine

// With the build tag poll_opt, gnet stores pointers where this package stores descriptors in events of epoll.
var _ = the_build_tag_poll_opt_is_not_supported_by_gatewheel
