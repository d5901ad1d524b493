package reactor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// ParseListenAddress parses the text of a flag into the configurations of listeners. It accepts
//
//	127.0.0.1:8080   [::1]:0   localhost:80   :8080
//	unix:/run/gatewheel.sock   unix:@name (abstract)
//	fd:3                       a listening socket that was inherited under this number
//	systemd   systemd:name     every socket that systemd has passed, or those with that FileDescriptorName
//
// Only the last form can mean more than one listener. An error is one sentence for the user.
func ParseListenAddress(text string) ([]ListenerConfig, error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case text == "":
		return nil, errors.New("the listen address is empty: write host:port, unix:path, fd:number or systemd")
	case strings.Contains(text, "://"):
		return nil, fmt.Errorf("listen address %q has a scheme: write host:port only", text)
	case kind == "unix":
		return parseUnixAddress(text, rest)
	case kind == "fd":
		return parseDescriptor(text, rest)
	case text == "systemd":
		return activatedListeners("")
	case kind == "systemd":
		if rest == "" {
			return nil, fmt.Errorf("listen address %q names no socket: write systemd:name, or systemd for all", text)
		}
		return activatedListeners(rest)
	default:
		return parseTCPAddress(text)
	}
}

func parseUnixAddress(text, path string) ([]ListenerConfig, error) {
	if path == "" || path == "@" {
		return nil, fmt.Errorf("listen address %q has no path: write unix:/run/name.sock", text)
	}
	if err := checkUnixPath(path); err != nil {
		return nil, err
	}
	return []ListenerConfig{{Network: "unix", Address: path}}, nil
}

func checkUnixPath(path string) error {
	if len(path) > longestUnixPath {
		return fmt.Errorf("unix socket path %q is %d bytes long: the kernel takes %d at most", path, len(path), longestUnixPath)
	}
	return nil
}

func parseTCPAddress(text string) ([]ListenerConfig, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, explainTCPAddress(text)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("listen address %q has port %q: a port is a number from 0 to 65535", text, port)
	}
	if host == "*" {
		return nil, fmt.Errorf("listen address %q has no address: for all addresses write :%s", text, port)
	}
	if strings.ContainsAny(host, " /") {
		return nil, fmt.Errorf("listen address %q has host %q: write a name or an address", text, host)
	}
	network := "tcp"
	// The net package would also listen on IPv6 for 0.0.0.0.
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
		network = "tcp4"
	}
	return []ListenerConfig{{Network: network, Address: text}}, nil
}

// explainTCPAddress returns an error that explains why text is not host:port.
func explainTCPAddress(text string) error {
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return fmt.Errorf("listen address %q is only a port: write :%s", text, text)
	}
	if text[0] == '/' || text[0] == '.' || text[0] == '@' {
		return fmt.Errorf("listen address %q is a path: write unix:%s", text, text)
	}
	if last := strings.LastIndexByte(text, ':'); last > 0 {
		_, numeric := strconv.ParseUint(text[last+1:], 10, 16)
		if ip, err := netip.ParseAddr(text[:last]); err == nil && numeric == nil {
			return fmt.Errorf("listen address %q has an IPv6 address without brackets: write [%s]:%s", text, ip, text[last+1:])
		}
	}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return fmt.Errorf("listen address %q has no port: write %s", text, netip.AddrPortFrom(ip, 8080))
	}
	if strings.Count(text, ":") > 1 && !strings.Contains(text, "]:") {
		return fmt.Errorf("listen address %q has an IPv6 address without brackets: write [::1]:8080", text)
	}
	if !strings.Contains(text, ":") {
		return fmt.Errorf("listen address %q has no port: write %s:8080", text, text)
	}
	return fmt.Errorf("listen address %q is not host:port", text)
}

// ParseSocketMode parses the permissions of a unix socket in octal, such as 660.
func ParseSocketMode(text string) (os.FileMode, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode == 0 || mode > 0o777 {
		return 0, fmt.Errorf("socket mode %q is not a permission in octal: write 660, for example", text)
	}
	return os.FileMode(mode), nil
}
