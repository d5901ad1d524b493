package oteltrace_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/middleware"
	traced "github.com/gatewheel/gatewheel/app/oteltrace"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/trace"
)

// TestMain wants every goroutine to be gone in the end, but those of the pool that gnet keeps for the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.Cleanup(func(int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*goWorker).run.func1"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
		goleak.IgnoreAnyFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
	)
}

const (
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
	parent   = "00-" + traceID + "-" + parentID + "-01"
)

// TestSpans sends requests to a server that exports to a receiver of OTLP, which takes only what is
// valid.
func TestSpans(t *testing.T) {
	received := newReceiver(t)
	provider := received.provider()
	tracer := provider.Tracer("handlers")
	var routes router.Router
	routes.Handle("GET /users/{id}", func(r *app.Request) app.Answer {
		return app.Offload(r, func(ctx context.Context) (*app.Response, error) {
			_, span := tracer.Start(ctx, "query")
			defer span.End()
			return app.Text(200, r.PathValue("id")), nil
		})
	})
	routes.Handle("/teapot", func(*app.Request) app.Answer { return app.Ready(app.Text(418, "")) })
	routes.Handle("/unavailable", func(*app.Request) app.Answer { return app.Ready(app.Text(503, "")) })
	routes.Handle("/fails", func(*app.Request) app.Answer { return app.Fail(fmt.Errorf("reading: %w", errors.New("disk \xff"))) })
	routes.Handle("/panics", func(*app.Request) app.Answer { panic("oh") })
	routes.Handle("/late", func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		return never
	})
	address := serve(t, middleware.Chain(routes.Serve,
		traced.New(traced.Options{Tracers: provider, Skip: func(r *app.Request) bool { return r.Path() == "/healthz" }}),
		middleware.Timeout(100*time.Millisecond)))
	host, port, _ := net.SplitHostPort(address)

	ask(t, "GET", "http://"+address+"/users/7?a=b&access_token=hidden&sig=hidden", "Traceparent", parent, "Tracestate", "vendor=1", "User-Agent", "tester\xff")
	s := received.named("GET /users/{id}")
	wantAttributes(t, s, map[string]string{
		"http.request.method": "GET", "url.scheme": "http", "url.path": "/users/7", "url.query": "a=b&access_token=REDACTED&sig=REDACTED",
		"http.route": "/users/{id}", "http.response.status_code": "200", "network.protocol.version": "1.1", "server.address": host, "server.port": port,
		"client.address": "127.0.0.1", "network.peer.address": "127.0.0.1", "user_agent.original": "tester\uFFFD", "error.type": "",
	})
	if hex.EncodeToString(s.TraceId) != traceID || hex.EncodeToString(s.ParentSpanId) != parentID || s.TraceState != "vendor=1" ||
		s.Kind != spans.Span_SPAN_KIND_SERVER || s.GetStatus().GetCode() != spans.Status_STATUS_CODE_UNSET {
		t.Errorf("got %v", s)
	}
	if took := time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano); took <= 0 || took > patience {
		t.Errorf("it took %v", took)
	}
	child := received.named("query")
	if string(child.ParentSpanId) != string(s.SpanId) || string(child.TraceId) != string(s.TraceId) {
		t.Errorf("the handler's span is no child: %v", child)
	}

	for _, c := range []struct {
		method, path, name string
		status             int
		code               spans.Status_StatusCode
		want               map[string]string
	}{
		{"GET", "/teapot", "GET /teapot", 418, spans.Status_STATUS_CODE_UNSET, map[string]string{"error.type": ""}},
		{"GET", "/missing/x", "GET", 404, spans.Status_STATUS_CODE_UNSET, map[string]string{"http.route": "", "error.type": ""}},
		{"GET", "/unavailable", "GET /unavailable", 503, spans.Status_STATUS_CODE_ERROR, map[string]string{"error.type": "503"}},
		{"POST", "/fails", "POST /fails", 500, spans.Status_STATUS_CODE_ERROR, map[string]string{"error.type": "*errors.errorString"}},
		{"POST", "/panics", "POST /panics", 500, spans.Status_STATUS_CODE_ERROR, map[string]string{"error.type": "panic"}},
		{"PUT", "/late", "PUT /late", 503, spans.Status_STATUS_CODE_ERROR, map[string]string{"error.type": "deadline"}},
		{"BREW", "/teapot", "HTTP /teapot", 418, spans.Status_STATUS_CODE_UNSET, map[string]string{
			"http.request.method": "_OTHER", "http.request.method_original": "BREW",
		}},
	} {
		status, _ := ask(t, c.method, "http://"+address+c.path)
		s := received.named(c.name)
		c.want["http.response.status_code"] = fmt.Sprint(c.status)
		wantAttributes(t, s, c.want)
		if status != c.status || s.GetStatus().GetCode() != c.code || len(s.ParentSpanId) != 0 {
			t.Errorf("%s: status %d, span %v", c.path, status, s)
		}
		if c.path == "/panics" && (len(s.Events) != 1 || !strings.Contains(s.Events[0].String(), "oteltrace_test")) {
			t.Errorf("the panic's stack is missing: %v", s.Events)
		}
	}
	ask(t, "GET", "http://"+address+"/healthz")
	ask(t, "GET", "http://"+address+"/teapot")
	received.named("GET /teapot")
	received.mu.Lock()
	defer received.mu.Unlock()
	if len(received.spans) > 0 || len(received.refused) > 0 {
		t.Errorf("there are more: %v, refused: %v", received.spans, received.refused)
	}
}

// TestSpanOfAClientThatLeaves ends with the connection.
func TestSpanOfAClientThatLeaves(t *testing.T) {
	received := newReceiver(t)
	begun := make(chan struct{})
	var routes router.Router
	routes.Handle("/stream", func(r *app.Request) app.Answer {
		return app.Ready(app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] {
			_, never := app.Promised[app.Done](r)
			return app.Then(w.WriteString("begun"), func(app.Done) app.Future[app.Done] {
				close(begun)
				return never
			})
		}))
	})
	address := serve(t, traced.New(traced.Options{Tracers: received.provider()})(routes.Serve))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
	<-begun
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // RST: a FIN might be that of half a connection
		t.Fatal(err)
	}
	conn.Close()
	s := received.named("GET /stream")
	wantAttributes(t, s, map[string]string{"http.response.status_code": "200", "error.type": "incomplete"})
}

// TestSpanWithoutAnAnswer: the client leaves while the handler waits.
func TestSpanWithoutAnAnswer(t *testing.T) {
	provider, recorded := recorder()
	host := apptest.New(traced.New(traced.Options{Tracers: provider})(func(r *app.Request) app.Answer {
		_, never := app.Promised[*app.Response](r)
		return never
	}))
	call := host.Do(apptest.Get("/"))
	call.HalfClose() // it may still read the answer
	if len(recorded.Ended()) != 0 {
		t.Error("the span has ended with half of the connection")
	}
	call.Leave()
	for deadline := time.Now().Add(patience); len(recorded.Ended()) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the span has not ended")
		}
	}
	span := recorded.Ended()[0]
	if got := fmt.Sprint(span.Attributes()); !strings.Contains(got, "client_gone") || strings.Contains(got, "status_code") || span.Status().Code != codes.Error {
		t.Errorf("got %v, %v", got, span.Status())
	}
}

// recorder returns a provider and what it has recorded.
func recorder() (*sdktrace.TracerProvider, *tracetest.SpanRecorder) {
	recorded := tracetest.NewSpanRecorder()
	return sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorded)), recorded
}

// TestContextIsSentOn: what package client sends on behalf of the request has the span as its parent.
func TestContextIsSentOn(t *testing.T) {
	for name, came := range map[string][]string{
		"a caller's trace":    {"traceparent", parent, "tracestate", "vendor=1", "baggage", "k=v"},
		"no trace":            nil,
		"a malformed trace":   {"traceparent", parent + "x", "tracestate", "vendor=1", "baggage", ";;"},
		"two traces":          {"traceparent", parent, "traceparent", parent},
		"a trace of nobody's": {"traceparent", "00-" + strings.Repeat("0", 32) + "-" + parentID + "-01"},
	} {
		provider, recorded := recorder()
		c := client.New(client.Options{})
		host := apptest.New(traced.New(traced.Options{Tracers: provider})(func(r *app.Request) app.Answer {
			return app.Map(c.Do(r, &client.Request{URL: "h2c://backend:80"}), func(resp *client.Response) (*app.Response, error) {
				return resp.Response(), nil
			})
		}))
		var sent app.Fields
		host.Answer("backend:80", func(r *app.Request) app.Answer {
			sent = r.Fields
			return app.Ready(app.Empty(204))
		})
		host.Do(apptest.Get("/", came...)).Want(t, 204, "")
		started := recorded.Started()
		if len(started) != 1 {
			t.Fatalf("%s: %d spans", name, len(started))
		}
		span := started[0].SpanContext()
		got, ok := trace.Parse(sent)
		if !ok || got.TraceID != span.TraceID() || got.ParentID != span.SpanID() {
			t.Errorf("%s: the backend gets %v, the span is %v", name, sent, span)
		}
		known := name == "a caller's trace"
		if (span.TraceID().String() == traceID) != known || (got.State == "vendor=1") != known || started[0].Parent().IsValid() != known {
			t.Errorf("%s: the span is %v, its parent %v, the state %q", name, span, started[0].Parent(), got.State)
		}
	}
}

func TestPublicServersLinkToTheirCallers(t *testing.T) {
	provider, recorded := recorder()
	host := apptest.New(traced.New(traced.Options{Tracers: provider, Public: true})(func(*app.Request) app.Answer {
		return app.Ready(app.Empty(204))
	}))
	host.Do(apptest.Get("/", "traceparent", parent))
	span := recorded.Started()[0]
	if links := span.Links(); span.Parent().IsValid() || span.SpanContext().TraceID().String() == traceID || len(links) != 1 ||
		links[0].SpanContext.TraceID().String() != traceID {
		t.Errorf("got %v with %v", span.SpanContext(), links)
	}
}

func ExampleNew() {
	provider := sdktrace.NewTracerProvider() // with sdktrace.WithBatcher(exporter)

	var routes router.Router
	routes.Handle("GET /users/{id}", func(r *app.Request) app.Answer {
		span := oteltrace.SpanFromContext(r.Context())
		return app.Ready(app.Text(200, fmt.Sprint(span.SpanContext().TraceID())))
	})
	handler := traced.New(traced.Options{Tracers: provider})(routes.Serve)

	call := apptest.New(handler).Do(apptest.Get("/users/7", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
	fmt.Println(string(call.Content))
	// Output: 0af7651916cd43dd8448eb211c80319c
}
