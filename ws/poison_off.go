//go:build !poison

package ws

// lending does nothing without the build tag poison.
type lending struct{}

func (lending) lend(*Event) {}
func (lending) reclaim()    {}
