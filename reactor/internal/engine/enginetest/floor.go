//go:build linux

package enginetest

import (
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
)

// floor is a gnet server that counts bytes and gives a canned answer.
type floor struct {
	gnet.BuiltinEventEngine
	request int
	answer  []byte
	listens func(net.Addr)
}

// Floor serves with gnet alone, to show what a request costs at least: it gives answer for each so many bytes that a
// read brings. listens is told the address. Floor returns when gnet cannot go on.
func Floor(request int, answer []byte, listens func(net.Addr)) {
	_ = gnet.Run(&floor{request: request, answer: answer, listens: listens}, "tcp://127.0.0.1:0",
		gnet.WithNumEventLoop(1), gnet.WithReusePort(true), gnet.WithLogger(zap.NewNop().Sugar()))
}

// OnBoot implements gnet.EventHandler.
func (f *floor) OnBoot(e gnet.Engine) gnet.Action {
	fd, err := e.Dup()
	if err != nil {
		panic(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		panic(err)
	}
	f.listens(ln.Addr())
	_ = ln.Close()
	return gnet.None
}

// OnTraffic implements gnet.EventHandler.
func (f *floor) OnTraffic(c gnet.Conn) gnet.Action {
	in, _ := c.Next(-1)
	for n := len(in) / f.request; n > 0; n-- {
		_, _ = c.Write(f.answer)
	}
	return gnet.None
}
