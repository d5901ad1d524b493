package rival

import (
	"context"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"

	"github.com/gatewheel/gatewheel/app/nethttp"
)

// bytesCodec passes messages through as they are, so that the servers alone are measured.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

var _ encoding.CodecV2 = bytesCodec{}

// grpcServer returns a grpc-go server whose method at UnaryPath returns the message that it gets.
func grpcServer() *grpc.Server {
	s := grpc.NewServer(grpc.ForceServerCodecV2(bytesCodec{}))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench",
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{
			MethodName: "unary",
			Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				message := new([]byte)
				return message, decode(message)
			},
		}},
	}, nil)
	return s
}

// grpcNative is grpc-go with its own HTTP/2 server.
func grpcNative(o Options) error {
	ln, err := net.Listen("tcp", o.Address)
	if err != nil {
		return err
	}
	return grpcServer().Serve(ln)
}

// grpcNetHTTP is grpc-go as an http.Handler of net/http.
func grpcNetHTTP(o Options) error { return serveNetHTTP(o, grpcServer()) }

// grpcAdapter is grpc-go as an http.Handler of app/nethttp, on one loop.
func grpcAdapter(o Options) error {
	s := nethttp.NewServer(&http.Server{Addr: o.Address, Handler: grpcServer(), IdleTimeout: -1})
	s.Config.Loops = 1
	return s.ListenAndServe()
}
