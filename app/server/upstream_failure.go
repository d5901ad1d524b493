//go:build linux

package server

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/reactor"
)

// Reasons of failures of calls and connections to other servers.
var (
	errNoCapacity   = errors.New("the connection takes no further request now")
	errWriteBlocked = errors.New("the server does not read")
	errHeadSlow     = errors.New("the head of the response did not arrive in time")
	errLeftIdle     = errors.New("the server has closed the connection")
	errBusy         = errors.New("the server has asked for fewer requests")
	errCodeStalled  = errors.New("the code of the request has blocked its loop")
)

// endOf returns the kind and the reason of the failure of a connection that has ended with the error of
// reactor.Session.Closed.
func endOf(err error) (client.Kind, error) {
	kind := client.UpstreamReset
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, reactor.ErrTruncated):
		kind, err = client.UpstreamEOF, errLeftIdle
	case errors.Is(err, reactor.ErrStopped):
		kind = client.Drained
	}
	return kind, err
}

// dialKind returns the kind of the failure of a dial. err is that of reactor.Loop.Dial.
func dialKind(err error) client.Kind {
	failed, ok := errors.AsType[*reactor.DialError](err)
	switch {
	case errors.Is(err, reactor.ErrStopped):
		return client.Drained
	case ok && failed.Timeout():
		return client.ConnectTimeout
	case ok && failed.Stage == reactor.DialHandshake:
		return client.TLSFail
	case ok && failed.Stage == reactor.DialDescriptors, errors.Is(err, unix.EADDRNOTAVAIL):
		return client.NoSocket
	}
	return client.ConnectFail
}
