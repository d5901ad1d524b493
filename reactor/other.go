//go:build !linux

package reactor

import (
	"errors"
	"fmt"
)

// Conn is a connection of a Reactor, which needs Linux. There are none on this system.
type Conn struct{}

// longestUnixPath is the room of sockaddr_un without its final zero byte.
const longestUnixPath = 103

func parseDescriptor(text, _ string) ([]ListenerConfig, error) {
	return nil, fmt.Errorf("listen address %q: inherited sockets need Linux", text)
}

func activatedListeners(string) ([]ListenerConfig, error) {
	return nil, errors.New("sockets from systemd need Linux")
}
