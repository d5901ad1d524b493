//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	nocrypt "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor/certs"
)

// grpcCase makes this test's program the client of one case, since a case that fails ends its process. grpcServer is
// the URL of the server.
const grpcCase, grpcServer = "INTEROP_GRPC_CASE", "INTEROP_GRPC_SERVER"

// grpcCases are those of grpc-go's interop client that its interop server knows and that need no account at a cloud.
var grpcCases = map[string]func(ctx context.Context, conn *grpc.ClientConn){
	"empty_unary":                 onService(interop.DoEmptyUnaryCall),
	"large_unary":                 onService(interop.DoLargeUnaryCall),
	"client_streaming":            onService(interop.DoClientStreaming),
	"server_streaming":            onService(interop.DoServerStreaming),
	"ping_pong":                   onService(interop.DoPingPong),
	"empty_stream":                onService(interop.DoEmptyStream),
	"timeout_on_sleeping_server":  onService(interop.DoTimeoutOnSleepingServer),
	"cancel_after_begin":          onService(interop.DoCancelAfterBegin),
	"cancel_after_first_response": onService(interop.DoCancelAfterFirstResponse),
	"custom_metadata":             onService(interop.DoCustomMetadata),
	"status_code_and_message":     onService(interop.DoStatusCodeAndMessage),
	"special_status_message":      onService(interop.DoSpecialStatusMessage),
	"unimplemented_service": func(ctx context.Context, conn *grpc.ClientConn) {
		interop.DoUnimplementedService(ctx, grpc_testing.NewUnimplementedServiceClient(conn))
	},
	"unimplemented_method": interop.DoUnimplementedMethod,
}

func onService(do func(context.Context, grpc_testing.TestServiceClient, ...grpc.CallOption)) func(context.Context, *grpc.ClientConn) {
	return func(ctx context.Context, conn *grpc.ClientConn) { do(ctx, grpc_testing.NewTestServiceClient(conn)) }
}

// runGRPCCase is the client's process. A case that fails ends it with a code other than 0.
func runGRPCCase(name string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	scheme, address, _ := strings.Cut(os.Getenv(grpcServer), "://")
	transport := nocrypt.NewCredentials()
	if scheme == "https" {
		transport = credentials.NewTLS(insecure)
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(transport))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	grpcCases[name](ctx, conn)
}

// serveGRPC starts grpc-go's interop server and returns its address.
func serveGRPC(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(options...)
	grpc_testing.RegisterTestServiceServer(s, interop.NewTestServer())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestGRPC: grpc-go's interop client and server agree in every case, with the gateway between them.
func TestGRPC(t *testing.T) {
	store, err := certs.Open(certs.Options{SelfSigned: true, Protocols: []string{"h2"}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	overTLS := grpc.Creds(credentials.NewTLS(&tls.Config{
		GetConfigForClient: store.Config().GetConfigForClient, GetCertificate: store.Config().GetCertificate,
		Certificates: store.Config().Certificates, NextProtos: []string{"h2"},
	}))
	clear := forward(t, "h2c://"+serveGRPC(t))
	secure := forward(t, "h2://"+serveGRPC(t, overTLS))
	t.Run("cases", func(t *testing.T) {
		for way, url := range map[string]string{
			"h2c to h2c": "http://" + clear.plain, "TLS to h2c": "https://" + clear.secure,
			"h2c to TLS": "http://" + secure.plain, "TLS to TLS": "https://" + secure.secure,
		} {
			for name := range grpcCases {
				t.Run(way+" "+name, func(t *testing.T) {
					t.Parallel()
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					tries := 1
					if name == "cancel_after_begin" {
						// The client ends its stream after it has cancelled it: on a busy machine the
						// response may be there first. Without a gateway it is so in 11 of 8,000 calls on
						// new connections, with one in 1 of 8,000.
						tries = 3
					}
					for ; ; tries-- {
						c := exec.CommandContext(ctx, os.Args[0])
						c.Env = append(os.Environ(), grpcCase+"="+name, grpcServer+"="+url)
						out, err := c.CombinedOutput()
						if err == nil {
							return
						}
						if tries == 1 {
							t.Fatalf("%v\n%s", err, out)
						}
					}
				})
			}
		}
	})
	for _, s := range []*site{clear, secure} {
		if n := s.Counts().HTTP2.Calmed; len(n) > 0 {
			t.Errorf("taken for abuse: %v", n)
		}
	}
}
