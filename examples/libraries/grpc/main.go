//go:build linux

// Command grpc serves a server of grpc-go with its health and reflection services, over HTTP/2 without TLS.
package main

import (
	"log"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

func main() {
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	log.Fatal(nethttp.ListenAndServe(address.FromArguments(), s))
}
