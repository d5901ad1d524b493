//go:build linux

// Command connect serves a procedure by connect-go, for clients of Connect, gRPC and gRPC-Web. Its messages are well-known
// types, so that no code is generated. Try:
//
//	curl -H 'Content-Type: application/json' -d '"Ada"' http://127.0.0.1:8080/hello.Greeter/Hello
package main

import (
	"context"
	"log"
	"net/http"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

const procedure = "/hello.Greeter/Hello"

func hello(_ context.Context, r *connect.Request[wrapperspb.StringValue]) (*connect.Response[wrapperspb.StringValue], error) {
	return connect.NewResponse(wrapperspb.String("Hello, " + r.Msg.Value + "!")), nil
}

func main() {
	mux := http.NewServeMux()
	mux.Handle(procedure, connect.NewUnaryHandler(procedure, hello))
	mux.Handle(grpchealth.NewHandler(grpchealth.NewStaticChecker("hello.Greeter")))
	log.Fatal(nethttp.ListenAndServe(address.FromArguments(), mux))
}
