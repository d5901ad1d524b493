//go:build linux

package interop

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// TestOTelHTTP: otelhttp's spans have the method, status and protocol of a request, also through its wrapped writer.
func TestOTelHTTP(t *testing.T) {
	for mode, version := range map[nethttptest.Mode]string{nethttptest.H1: "1.1", nethttptest.H2C: "2.0"} {
		t.Run(string(mode), func(t *testing.T) {
			ended := tracetest.NewSpanRecorder()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(ended))
			defer provider.Shutdown(context.WithoutCancel(t.Context()))
			flushed := make(chan error, 1)
			handler := otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				content, _ := io.ReadAll(r.Body)
				w.WriteHeader(http.StatusTeapot)
				w.Write(content)
				err := http.NewResponseController(w).Flush()
				if _, ok := w.(http.Flusher); !ok {
					err = errors.Join(err, errors.New("the wrapped writer is no http.Flusher"))
				}
				flushed <- err
			}), "served", otelhttp.WithTracerProvider(provider))
			site := nethttptest.Start(t, mode, &http.Server{Handler: handler})
			c := asker{t, site.Client(), site.URL}
			if response, got := c.read(c.open("POST", "/spans", strings.NewReader("content"))); response.StatusCode != 418 || got != "content" {
				t.Errorf("%s %q", response.Status, got)
			}
			if err := <-flushed; err != nil {
				t.Error(err)
			}
			// The span ends after the response: the end of the server waits for the handler.
			if err := site.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			spans := ended.Ended()
			if len(spans) != 1 {
				t.Fatalf("%d spans", len(spans))
			}
			got := map[attribute.Key]string{}
			for _, a := range spans[0].Attributes() {
				got[a.Key] = a.Value.String()
			}
			for key, want := range map[attribute.Key]string{
				"http.request.method": "POST", "http.response.status_code": "418", "network.protocol.version": version,
				"url.path": "/spans", "http.request.body.size": "7", "http.response.body.size": "7",
			} {
				if got[key] != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
			}
		})
	}
}

// TestPromHTTP: promhttp's middleware counts, and its handler shows the metrics, compressed for a client that takes it.
func TestPromHTTP(t *testing.T) {
	registry := prometheus.NewRegistry()
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total"}, []string{"code", "method"})
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "in_flight"})
	sizes := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "sizes", Buckets: []float64{10, 1000}}, nil)
	registry.MustRegister(requests, inFlight, sizes)
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, strings.NewReader("hello")) })
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/", promhttp.InstrumentHandlerCounter(requests, promhttp.InstrumentHandlerInFlight(inFlight,
		promhttp.InstrumentHandlerResponseSize(sizes, hello))))
	inEachMode(t, mux, func(t *testing.T, c asker) {
		requests.Reset()
		sizes.Reset()
		for range 3 {
			c.expect("/", 200, "hello")
		}
		response, got := c.get("/metrics") // net/http's client inflates what it has asked for.
		if !response.Uncompressed {
			t.Error("the metrics are not compressed")
		}
		for _, want := range []string{`requests_total{code="200",method="get"} 3`, "in_flight 0", `sizes_bucket{le="10"} 3`} {
			if !strings.Contains(got, want+"\n") {
				t.Errorf("no %s in\n%s", want, got)
			}
		}
	})
}
