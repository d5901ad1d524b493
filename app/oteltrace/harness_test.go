package oteltrace_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/reactor"
)

const patience = 30 * time.Second

// receiver takes spans by OTLP over HTTP.
type receiver struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	spans   []*spans.Span
	refused []error
	arrived chan struct{}
}

func newReceiver(t *testing.T) *receiver {
	rc := &receiver{t: t, arrived: make(chan struct{}, 1)}
	web := httptest.NewServer(rc)
	t.Cleanup(web.Close)
	rc.url = web.URL
	return rc
}

// ServeHTTP implements http.Handler.
func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if err != nil || r.URL.Path != "/v1/traces" {
		rc.refused = append(rc.refused, fmt.Errorf("%s: %w", r.URL.Path, err))
		w.WriteHeader(400)
		return
	}
	for _, resource := range request.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			rc.spans = append(rc.spans, scope.Spans...)
		}
	}
	select {
	case rc.arrived <- struct{}{}:
	default:
	}
}

// provider returns a tracer provider that exports to rc.
func (rc *receiver) provider() *sdktrace.TracerProvider {
	exporter, err := otlptracehttp.New(rc.t.Context(), otlptracehttp.WithEndpointURL(rc.url+"/v1/traces"))
	if err != nil {
		rc.t.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter, sdktrace.WithBatchTimeout(10*time.Millisecond)))
	rc.t.Cleanup(func() {
		if err := provider.Shutdown(context.WithoutCancel(rc.t.Context())); err != nil {
			rc.t.Error(err)
		}
	})
	return provider
}

// named waits for the span of that name, and forgets it.
func (rc *receiver) named(name string) *spans.Span {
	rc.t.Helper()
	deadline := time.After(patience)
	for {
		rc.mu.Lock()
		for i, s := range rc.spans {
			if s.Name == name {
				rc.spans = append(rc.spans[:i:i], rc.spans[i+1:]...)
				rc.mu.Unlock()
				return s
			}
		}
		rc.mu.Unlock()
		select {
		case <-rc.arrived:
		case <-deadline:
			rc.mu.Lock()
			defer rc.mu.Unlock()
			rc.t.Fatalf("no span %q came; there are %v, refused: %v", name, rc.spans, rc.refused)
		}
	}
}

// attributes returns the attributes of a span as text.
func attributes(s *spans.Span) map[string]string {
	texts := map[string]string{}
	for _, a := range s.Attributes {
		texts[a.Key] = valueText(a.Value)
	}
	return texts
}

func valueText(v *common.AnyValue) string {
	if n, ok := v.Value.(*common.AnyValue_IntValue); ok {
		return fmt.Sprint(n.IntValue)
	}
	return v.GetStringValue()
}

// wantAttributes compares the attributes that want names; "" wants none of that name.
func wantAttributes(t *testing.T, s *spans.Span, want map[string]string) {
	t.Helper()
	got := attributes(s)
	for name, value := range want {
		if text, ok := got[name]; text != value || ok && value == "" {
			t.Errorf("span %s: %s is %q, want %q", s.Name, name, text, value)
		}
	}
}

// serve starts a server and returns its address.
func serve(t *testing.T, handler app.Handler) string {
	t.Helper()
	s, err := server.New(server.Config{
		Handler: handler, Logger: zap.NewNop(), Listeners: []reactor.ListenerConfig{{Address: "127.0.0.1:0"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s.Addrs()[0].String()
}

// ask sends a request, and reads the response to its end.
func ask(t *testing.T, method, url string, fields ...string) (status int, content string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		request.Header.Add(fields[i], fields[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
