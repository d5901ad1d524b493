//go:build linux

package server

import (
	"testing"
	"unsafe"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/ws"
)

// Garbage between the objects that stay is memory of idle connections.
func TestFieldLinesStayApartFromSessions(t *testing.T) {
	for lines := range 17 {
		var x exchange
		x.setFields(make([]app.Field, lines))
		if len(x.Fields) != lines {
			t.Errorf("%d lines became %d", lines, len(x.Fields))
		}
		switch size := cap(x.Fields) * int(unsafe.Sizeof(app.Field{})); size {
		case 256, 288, 384:
			t.Errorf("%d lines lie in the size class of %d bytes", lines, size)
		}
	}
}

// The runtime gives an object beyond 512 bytes a header of its own, which makes it half as dear again; and a
// connection's session must stay in its size class, which is what an idle connection holds.
func TestSizes(t *testing.T) {
	for _, object := range []struct {
		name     string
		is, want uintptr
	}{
		{"exchange", unsafe.Sizeof(exchange{}), 512},
		{"h1Session", unsafe.Sizeof(h1Session{}), 288},
		{"h2Session", unsafe.Sizeof(h2Session{}), 640},
		// With its machine, which promises 248 bytes, 384.
		{"h1Socket around its machine", unsafe.Sizeof(h1Socket{}) - unsafe.Sizeof(ws.Conn{}), 136},
		// What a request of a fan-out or of a gateway costs at its backend.
		{"call", unsafe.Sizeof(call{}), 768},
		{"h1Upstream", unsafe.Sizeof(h1Upstream{}), 576},
		{"h2Upstream", unsafe.Sizeof(h2Upstream{}), 896},
	} {
		if object.is > object.want {
			t.Errorf("%s has %d bytes, want at most %d", object.name, object.is, object.want)
		}
	}
}
