//go:build linux

package interop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	nocrypt "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/file"
)

// serveAnyService starts a server of grpc-go that answers each method with name and the method, once for each message,
// and whose health is good.
func serveAnyService(t *testing.T, name string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		for {
			var m wrapperspb.StringValue
			if err := stream.RecvMsg(&m); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := stream.SendMsg(wrapperspb.String(name + " " + method + " " + m.Value)); err != nil {
				return err
			}
		}
	}))
	well := health.NewServer()
	well.SetServingStatus("helloworld.Greeter", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(s, well)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// TestGRPCExample: the calls of grpc-go's client go where examples/gateway/grpc.yaml sends them.
func TestGRPCExample(t *testing.T) {
	text, err := os.ReadFile("../../../examples/gateway/grpc.yaml")
	if err != nil {
		t.Fatal(err)
	}
	replaced := regexp.MustCompile(`h2c://([a-z0-9.]+:[0-9]+)`).ReplaceAllStringFunc(string(text), func(url string) string {
		return "h2c://" + serveAnyService(t, strings.TrimPrefix(url, "h2c://"))
	})
	f, err := file.Parse("grpc.yaml", []byte(replaced))
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.Open(f.Config, gateway.Options{PeerChanged: func(_, peer string, e gateway.PeerEvent, err error) {
		t.Errorf("%s is %s: %v", peer, e, err)
	}}, gateway.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	conn, err := grpc.NewClient("passthrough:///"+serve(t, g.Serve).plain, grpc.WithTransportCredentials(nocrypt.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	greeters, guides := []string{"greeter.internal:50051"}, []string{"10.0.0.1:50051", "10.0.0.2:50051"}
	for method, peers := range map[string][]string{
		"/helloworld.Greeter/SayHello": greeters, "/routeguide.RouteGuide/GetFeature": guides, "/routeguide.RouteGuide/ListFeatures": guides,
	} {
		for range 10 {
			var answer wrapperspb.StringValue
			if err := conn.Invoke(ctx, method, wrapperspb.String("hello"), &answer); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
			peer, rest, _ := strings.Cut(answer.Value, " ")
			if !slices.Contains(peers, peer) || rest != method+" hello" {
				t.Errorf("%s: the answer is %q", method, answer.Value)
			}
		}
	}
	err = conn.Invoke(ctx, "/unknown.Service/Call", wrapperspb.String("hello"), new(wrapperspb.StringValue))
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("an unknown service: %v", err)
	}
	chat, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/routeguide.RouteGuide/RouteChat")
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{"one", "two", "three"} {
		var heard wrapperspb.StringValue
		if err := chat.SendMsg(wrapperspb.String(said)); err != nil {
			t.Fatal(err)
		}
		if err := chat.RecvMsg(&heard); err != nil || !strings.HasSuffix(heard.Value, " /routeguide.RouteGuide/RouteChat "+said) {
			t.Fatalf("the answer to %q is %q, %v", said, heard.Value, err)
		}
	}
	if err := chat.CloseSend(); err != nil {
		t.Error(err)
	}
	if err := chat.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the stream: %v", err)
	}
}
