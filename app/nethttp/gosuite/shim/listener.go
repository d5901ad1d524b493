//go:build linux

package shim

import (
	"crypto/tls"
	"io"
	"net"
	"reflect"
	"unsafe"
)

// withoutTLS returns what tls.NewListener made l of, or l itself.
func withoutTLS(l net.Listener) (net.Listener, *tls.Config) {
	v := reflect.ValueOf(l)
	if v.Type() != reflect.TypeOf(tls.NewListener(nil, nil)) {
		return l, nil
	}
	fields := v.Elem()
	config := fields.FieldByName("config")
	return fields.FieldByName("Listener").Interface().(net.Listener), *(**tls.Config)(unsafe.Pointer(config.UnsafeAddr()))
}

// isClosed reports whether the listener was closed.
func isClosed(l *net.TCPListener) bool {
	raw, err := l.SyscallConn()
	if err != nil {
		return true
	}
	return raw.Control(func(uintptr) {}) != nil
}

// bridge copies between conn and a connection to a server until both directions have ended.
func bridge(conn net.Conn, address string) {
	defer conn.Close()
	dialled, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	server := dialled.(*net.TCPConn)
	defer server.Close()
	go func() {
		if _, err := io.Copy(server, conn); err != nil {
			server.Close()
			return
		}
		_ = server.CloseWrite()
	}()
	_, _ = io.Copy(conn, server)
}
