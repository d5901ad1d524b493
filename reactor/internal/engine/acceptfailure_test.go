//go:build linux

package engine

import (
	"errors"
	"testing"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	"golang.org/x/sys/unix"
)

// An error of the accepted connection, or an accept that a firewall forbids, concerns that connection alone (accept(2)).
func TestAcceptErrorOfAConnection(t *testing.T) {
	for _, err := range []error{unix.EPROTO, unix.ENETDOWN, unix.EPERM, unix.EOPNOTSUPP} {
		if !survives(err) {
			t.Errorf("%v ends an engine", err)
		}
	}
	for _, err := range []error{unix.EBADF, unix.EINVAL, unix.ENOTSOCK} {
		if survives(err) {
			t.Errorf("%v does not end an engine", err)
		}
	}
}

// An accept failure that an engine of this package survives is hidden from gnet once; others end gnet's engines as before.
func TestAcceptFailureIsHiddenOnce(t *testing.T) {
	failure := gneterrors.ErrAcceptSocket
	want := func(ends bool) {
		t.Helper()
		if have := errors.Is(failure, gneterrors.ErrAcceptSocket); have != ends {
			t.Errorf("ends the engine: %v", have)
		}
		if errors.Is(failure, gneterrors.ErrEngineShutdown) {
			t.Error("taken for a shutdown")
		}
	}
	want(true)
	survived.Add(1)
	want(false)
	want(true)
}
