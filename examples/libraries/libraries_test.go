//go:build linux

package libraries

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatewheel/gatewheel/examples/internal/exampletest"
)

func TestChi(t *testing.T) {
	exampletest.Expect(t, "http://"+exampletest.Run(t, "chi")+"/hello/Ada", "Hello, Ada!\n")
}

// TestCRUD: the twin of examples/crud.
func TestCRUD(t *testing.T) { exampletest.CRUD(t, exampletest.Run(t, "chi/crud")) }

// TestSite: the twin of examples/site.
func TestSite(t *testing.T) { exampletest.Site(t, exampletest.Run(t, "chi/site")) }

// TestFanout: the twin of examples/fanout.
func TestFanout(t *testing.T) { exampletest.Fanout(t, exampletest.Run(t, "chi/fanout")) }

// TestChat: the twin of examples/chat.
func TestChat(t *testing.T) { exampletest.Chat(t, exampletest.Run(t, "chi/chat")) }

// TestMisbehaving: the twin of examples/misbehaving.
func TestMisbehaving(t *testing.T) { exampletest.Misbehaving(t, exampletest.Run(t, "chi/misbehaving")) }

// expectHealthy asks the health service with a client of grpc-go.
func expectHealthy(t *testing.T, address, service string) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), exampletest.Patience)
	defer cancel()
	r, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service}, grpc.WaitForReady(true))
	if err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", r, err)
	}
}

func TestGRPC(t *testing.T) { expectHealthy(t, exampletest.Run(t, "grpc"), "") }

// TestConnect: a client of connect-go, JSON without a library, and a client of grpc-go.
func TestConnect(t *testing.T) {
	address := exampletest.Run(t, "connect")
	expectHealthy(t, address, "hello.Greeter")
	url := "http://" + address + "/hello.Greeter/Hello"
	client := connect.NewClient[wrapperspb.StringValue, wrapperspb.StringValue](http.DefaultClient, url)
	r, err := client.CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("Ada")))
	if err != nil || r.Msg.Value != "Hello, Ada!" {
		t.Errorf("%v, %v", r, err)
	}
	response, err := http.Post(url, "application/json", strings.NewReader(`"Ada"`))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if content, err := io.ReadAll(response.Body); string(content) != `"Hello, Ada!"` {
		t.Errorf("%s %q, %v", response.Status, content, err)
	}
}
