//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	nocrypt "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	"google.golang.org/grpc/interop/grpc_testing"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// grpcCase and grpcServer are the environment variables that make this test's program the client of one case, since a
// case that fails ends its process: the name of the case and the URL of the server.
const grpcCase, grpcServer = "INTEROP_GRPC_CASE", "INTEROP_GRPC_SERVER"

// grpcCases are those of grpc-go's interop client that its interop server knows and that need no cloud account.
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
		transport = credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(transport))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	grpcCases[name](ctx, conn)
}

// interopServer returns grpc-go's interop server.
func interopServer() *grpc.Server {
	s := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(s, interop.NewTestServer())
	return s
}

// TestGRPCCases: grpc-go's interop client agrees with its interop server in every case, served by ServeHTTP.
func TestGRPCCases(t *testing.T) {
	for _, mode := range []nethttptest.Mode{nethttptest.H2C, nethttptest.H2TLS} {
		t.Run(string(mode), func(t *testing.T) {
			site := nethttptest.Start(t, mode, &http.Server{Handler: interopServer()})
			for name := range grpcCases {
				t.Run(name, func(t *testing.T) { runInChild(t, name, site.URL) })
			}
		})
	}
}

// runInChild runs one case in a child process.
func runInChild(t *testing.T, name, url string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tries := 1
	if name == "cancel_after_begin" {
		// The client ends its stream after it has cancelled it: on a busy machine the response may be there first.
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
}
