//go:build linux

package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

var grpcElements = []element{
	{"gRPC, single calls", 6, (*operation).call, false},
	{"gRPC, streams both ways", 4, (*operation).chat, false},
	{"gRPC, failures", 2, (*operation).failure, false},
}

// raw is a codec of messages that are *[]byte.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (raw) Name() string                       { return "raw" }

// echoService answers with what it gets.
type echoService interface {
	Call(context.Context, *[]byte) (*[]byte, error)
}

type echoServer struct{}

func (echoServer) Call(_ context.Context, message *[]byte) (*[]byte, error) {
	if string(*message) == failing {
		return nil, status.Error(codes.NotFound, "there is no such thing, 100 % sure")
	}
	return message, nil
}

// failing is the message that is answered with an error.
const failing = "fail"

var echoDescription = grpc.ServiceDesc{
	ServiceName: "soak.Echo",
	HandlerType: (*echoService)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Call", Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		message := new([]byte)
		if err := decode(message); err != nil {
			return nil, err
		}
		return srv.(echoService).Call(ctx, message)
	}}},
	Streams: []grpc.StreamDesc{{StreamName: "Chat", ServerStreams: true, ClientStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
		for {
			message := new([]byte)
			if err := stream.RecvMsg(message); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(message); err != nil {
				return err
			}
		}
	}}},
}

// A grpcPeer is the server behind the gateway, in this process, and the clients in front of it.
type grpcPeer struct {
	server        *grpc.Server
	plain, secure *grpc.ClientConn
}

// unused closes the connection of a client that has no calls; the next call opens another one.
var unused = grpc.WithIdleTimeout(2 * time.Second)

// serveGRPC starts the server and opens the clients of the gateway.
func serveGRPC(e *environment) (*grpcPeer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e.grpcAddress = listener.Addr().String()
	g := &grpcPeer{server: grpc.NewServer(grpc.ForceServerCodec(raw{}))}
	g.server.RegisterService(&echoDescription, echoServer{})
	go func() { _ = g.server.Serve(listener) }()
	if g.plain, err = grpc.NewClient("passthrough:///"+e.gateway.plain, grpc.WithTransportCredentials(insecure.NewCredentials()), unused); err != nil {
		return g, err
	}
	g.secure, err = grpc.NewClient("passthrough:///"+e.gateway.secure, grpc.WithTransportCredentials(credentials.NewTLS(e.authority.config())), unused)
	return g, err
}

func (g *grpcPeer) close() {
	for _, c := range []*grpc.ClientConn{g.plain, g.secure} {
		if c != nil {
			_ = c.Close()
		}
	}
	g.server.Stop()
}

// connection returns a client of the gateway.
func (op *operation) connection() *grpc.ClientConn {
	op.to = op.gateway
	if op.rand.IntN(2) == 0 {
		return op.grpc.plain
	}
	return op.grpc.secure
}

var options = []grpc.CallOption{grpc.ForceCodec(raw{}), grpc.WaitForReady(true)}

// call makes calls with one message each.
func (op *operation) call() error {
	c := op.connection()
	for range 1 + op.rand.IntN(5) {
		message, echo := op.bytes(min(op.size(), 200_000)), new([]byte)
		if err := c.Invoke(op.ctx, "/soak.Echo/Call", &message, echo, options...); err != nil {
			return err
		}
		if !bytes.Equal(*echo, message) {
			return wrong("a message of %d bytes came back with %d", len(message), len(*echo))
		}
		op.ledger.answered(op.element, 1, op.gateway)
	}
	return nil
}

// chat exchanges messages over one stream.
func (op *operation) chat() error {
	stream, err := op.connection().NewStream(op.ctx, &echoDescription.Streams[0], "/soak.Echo/Chat", options...)
	if err != nil {
		return err
	}
	for i := range 1 + op.rand.IntN(20) {
		message, echo := op.bytes(min(op.size(), 20_000)), new([]byte)
		if err := stream.SendMsg(&message); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := stream.RecvMsg(echo); err != nil {
			return in(fmt.Sprintf("message %d of a stream", i+1), err)
		}
		if !bytes.Equal(*echo, message) {
			return wrong("message %d of %d bytes came back with %d", i+1, len(message), len(*echo))
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(new([]byte)); !errors.Is(err, io.EOF) {
		return wrong("the end of a stream: %v", err)
	}
	op.ledger.answered(op.element, 1, op.gateway)
	return nil
}

// failure makes a call that is answered with an error in its trailers.
func (op *operation) failure() error {
	message := []byte(failing)
	err := op.connection().Invoke(op.ctx, "/soak.Echo/Call", &message, new([]byte), options...)
	if s := status.Convert(err); s.Code() != codes.NotFound || s.Message() != "there is no such thing, 100 % sure" {
		return wrong("a failing call: %v", err)
	}
	op.ledger.answered(op.element, 1, op.gateway)
	return nil
}
