//go:build linux

package interop

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	nocrypt "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// dialGRPC returns a connection of grpc-go to the site.
func dialGRPC(t testing.TB, site *nethttptest.Site, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	transport := nocrypt.NewCredentials()
	if site.TLS != nil {
		transport = credentials.NewTLS(site.TLS.Clone())
	}
	conn, err := grpc.NewClient("passthrough:///"+site.Addr, append(options, grpc.WithTransportCredentials(transport))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// serveGRPC starts a site around s over cleartext HTTP/2 and returns a client's connection.
func serveGRPC(t testing.TB, s *grpc.Server) *grpc.ClientConn {
	return dialGRPC(t, nethttptest.Start(t, nethttptest.H2C, &http.Server{Handler: s}))
}

// callbacks is a test service whose methods are fields.
type callbacks struct {
	grpc_testing.UnimplementedTestServiceServer
	unary  func(context.Context, *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error)
	duplex func(grpc_testing.TestService_FullDuplexCallServer) error
}

func (c *callbacks) UnaryCall(ctx context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	return c.unary(ctx, r)
}

func (c *callbacks) FullDuplexCall(s grpc_testing.TestService_FullDuplexCallServer) error {
	return c.duplex(s)
}

// serveCallbacks returns a client of a service.
func serveCallbacks(t testing.TB, c *callbacks, options ...grpc.ServerOption) grpc_testing.TestServiceClient {
	s := grpc.NewServer(options...)
	grpc_testing.RegisterTestServiceServer(s, c)
	return grpc_testing.NewTestServiceClient(serveGRPC(t, s))
}

// echoPayload answers with the content of the request.
func echoPayload(_ context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
	return &grpc_testing.SimpleResponse{Payload: r.Payload}, nil
}

// echoDuplex sends each message back.
func echoDuplex(s grpc_testing.TestService_FullDuplexCallServer) error {
	for {
		m, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&grpc_testing.StreamingOutputCallResponse{Payload: m.Payload}); err != nil {
			return err
		}
	}
}

func payload(p []byte) *grpc_testing.Payload { return &grpc_testing.Payload{Body: p} }

// TestGRPCMetadata: metadata, also binary, arrive in both directions, as header and as trailer, and so do the details of a
// status.
func TestGRPCMetadata(t *testing.T) {
	binary := string([]byte{0, 1, 254, 255, '\r', '\n'})
	client := serveCallbacks(t, &callbacks{unary: func(ctx context.Context, r *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		in, _ := metadata.FromIncomingContext(ctx)
		grpc.SendHeader(ctx, metadata.MD{"x-got": in.Get("x-sent"), "x-got-bin": in.Get("x-sent-bin")})
		grpc.SetTrailer(ctx, metadata.Pairs("x-last", "one", "x-last", "two"))
		return nil, status.Error(codes.FailedPrecondition, "näh: 100 %\n")
	}})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-sent", "a", "x-sent", "b", "x-sent-bin", binary)
	var header, trailer metadata.MD
	_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "näh: 100 %\n" {
		t.Errorf("status %v", s)
	}
	if got := header.Get("x-got"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("header x-got: %q", got)
	}
	if got := header.Get("x-got-bin"); !slices.Equal(got, []string{binary}) {
		t.Errorf("header x-got-bin: %q", got)
	}
	if got := trailer.Get("x-last"); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("trailer x-last: %q", got)
	}
}

// TestGRPCEndOfContext: the handler's context ends with the deadline of the call, and when the client cancels it.
func TestGRPCEndOfContext(t *testing.T) {
	begun, ended := make(chan bool, 1), make(chan error, 1)
	client := serveCallbacks(t, &callbacks{unary: func(ctx context.Context, _ *grpc_testing.SimpleRequest) (*grpc_testing.SimpleResponse, error) {
		_, limited := ctx.Deadline()
		begun <- limited
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{}, grpc.WaitForReady(true))
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("call: %v", err)
		}
		if !<-begun {
			t.Error("the handler sees no deadline")
		}
		<-ended
	})
	t.Run("cancellation", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := client.UnaryCall(ctx, &grpc_testing.SimpleRequest{})
			failed <- err
		}()
		if <-begun {
			t.Error("the handler sees a deadline")
		}
		cancel()
		if err := <-failed; status.Code(err) != codes.Canceled {
			t.Errorf("call: %v", err)
		}
		if err := <-ended; err != context.Canceled {
			t.Errorf("the handler's context ends with %v", err)
		}
	})
}

// TestGRPCLargeMessages: messages of 16 MiB pass in both directions, plain and compressed; one beyond the limit is
// refused and leaves the connection usable.
func TestGRPCLargeMessages(t *testing.T) {
	const most = 17 << 20
	client := serveCallbacks(t, &callbacks{unary: echoPayload}, grpc.MaxRecvMsgSize(most))
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for name, options := range map[string][]grpc.CallOption{"plain": nil, "gzip": {grpc.UseCompressor(gzip.Name)}} {
		t.Run(name, func(t *testing.T) {
			r, err := client.UnaryCall(t.Context(), &grpc_testing.SimpleRequest{Payload: payload(large)}, append(options, grpc.MaxCallRecvMsgSize(most))...)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(r.Payload.Body, large) {
				t.Errorf("got %d bytes that differ from the %d sent", len(r.Payload.Body), len(large))
			}
		})
	}
	_, err := client.UnaryCall(t.Context(), &grpc_testing.SimpleRequest{Payload: payload(make([]byte, most))})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message beyond the limit: %v", err)
	}
	if _, err := client.UnaryCall(t.Context(), &grpc_testing.SimpleRequest{}); err != nil {
		t.Errorf("the call after it: %v", err)
	}
}

// TestGRPCHealth: a watch of the health service sees each change while its stream stays open.
func TestGRPCHealth(t *testing.T) {
	s, checks := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(s, checks)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch, err := grpc_health_v1.NewHealthClient(serveGRPC(t, s)).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(want grpc_health_v1.HealthCheckResponse_ServingStatus) {
		t.Helper()
		r, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != want {
			t.Errorf("status %v, want %v", r.Status, want)
		}
	}
	expect(grpc_health_v1.HealthCheckResponse_SERVING)
	checks.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	expect(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	checks.Resume()
	expect(grpc_health_v1.HealthCheckResponse_SERVING)
}

// TestGRPCReflection: the reflection service lists the services.
func TestGRPCReflection(t *testing.T) {
	s := interopServer()
	reflection.Register(s)
	expectListed(t, serveGRPC(t, s), "grpc.testing.TestService")
}

// expectListed asks the reflection service for the list of services, which must have name.
func expectListed(t *testing.T, conn *grpc.ClientConn, name string) {
	t.Helper()
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	found := slices.ContainsFunc(answer.GetListServicesResponse().GetService(), func(s *grpc_reflection_v1.ServiceResponse) bool {
		return s.Name == name
	})
	if !found {
		t.Errorf("services: %v", answer)
	}
	stream.CloseSend()
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("the stream ends with %v", err)
	}
}

// expectHealthy asks the health service for a service, which must be SERVING.
func expectHealthy(t *testing.T, conn *grpc.ClientConn, service string) {
	t.Helper()
	r, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("status %v", r.Status)
	}
}

// TestGRPCLastingStream: a bidirectional stream lasts for STREAM_TIME (3 s if it is not set) and loses no message.
func TestGRPCLastingStream(t *testing.T) {
	lasts := 3 * time.Second
	if s := os.Getenv("STREAM_TIME"); s != "" {
		var err error
		if lasts, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := serveCallbacks(t, &callbacks{duplex: echoDuplex}).FullDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent := make(chan int, 1)
	go func() {
		n := 0
		for until := time.Now().Add(lasts); time.Now().Before(until); n++ {
			if stream.Send(&grpc_testing.StreamingOutputCallRequest{Payload: payload(fmt.Append(nil, n))}) != nil {
				break // Recv has the cause.
			}
			time.Sleep(time.Millisecond)
		}
		stream.CloseSend()
		sent <- n
	}()
	received := 0
	for ; ; received++ {
		m, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("after %d messages: %v", received, err)
		}
		if got := string(m.Payload.Body); got != fmt.Sprint(received) {
			t.Fatalf("message %d is %q", received, got)
		}
	}
	if n := <-sent; received != n {
		t.Errorf("%d messages of %d came back", received, n)
	}
}

// TestGRPCManyCalls: 10,000 unary calls on one connection, 100 at a time, lose none.
func TestGRPCManyCalls(t *testing.T) {
	const calls, atOnce = 10_000, 100
	client := serveCallbacks(t, &callbacks{unary: echoPayload})
	numbers := make(chan int)
	var workers sync.WaitGroup
	for range atOnce {
		workers.Go(func() {
			for n := range numbers {
				want := fmt.Append(nil, n)
				r, err := client.UnaryCall(t.Context(), &grpc_testing.SimpleRequest{Payload: payload(want)})
				if err != nil {
					t.Errorf("call %d: %v", n, err)
				} else if !bytes.Equal(r.Payload.Body, want) {
					t.Errorf("call %d got %q", n, r.Payload.Body)
				}
			}
		})
	}
	for n := range calls {
		numbers <- n
	}
	close(numbers)
	workers.Wait()
}
