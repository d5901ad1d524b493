// Package oteltrace is middleware that makes a span of OpenTelemetry for each request, by its
// semantic conventions for HTTP servers (version 1.43.0). It is a module of its own, so that
// servers without it do not depend on OpenTelemetry.
package oteltrace

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/ending"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
)

// core has functions of package app that applications cannot see.
var core = internalapi.App.(interface {
	Attach(r *app.Request, e *ending.Entry, listener ending.Listener) bool
})

// scope is the name of the tracer.
const scope = "github.com/gatewheel/gatewheel/app/oteltrace"

// Options configure the spans. The zero Options are ready for use.
type Options struct {
	// Tracers makes the tracer; nil is otel.GetTracerProvider(). Its span processors are called
	// on loops when spans start, and must not block. When spans end they are called in a
	// goroutine of their own.
	Tracers trace.TracerProvider
	// Propagator reads the caller's context from the fields of a request, and writes that of the
	// span; nil is W3C Trace Context and Baggage.
	Propagator propagation.TextMapPropagator
	// Skip, if not nil, reports whether a request gets no span, such as one of a health check. It
	// is called on the loop.
	Skip func(r *app.Request) bool
	// Public makes each span the root of a trace, with a link to that of the caller: for servers
	// whose callers are not trusted.
	Public bool
}

// New returns the middleware. It belongs outside of a router and of middleware that changes
// responses or failures.
//
// A span begins with the request's arrival and ends with the response, or with the last event or
// message of a stream or WebSocket. It is in r.Context(), so that spans of handlers are its
// children, and the fields of the request (traceparent, tracestate) are replaced by its own, which
// package client and package gateway send on. Its name is method and route, such as "GET
// /users/{id}". Statuses from 500 on make it an error, and so do requests that end without a
// response.
func New(options Options) app.Middleware {
	if options.Tracers == nil {
		options.Tracers = otel.GetTracerProvider()
	}
	if options.Propagator == nil {
		options.Propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	}
	t := &tracing{
		options: options, fields: options.Propagator.Fields(),
		tracer: options.Tracers.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
	}
	return t.around
}

type tracing struct {
	options Options
	tracer  trace.Tracer
	fields  []string // names of the propagator's
}

func (t *tracing) around(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		if t.options.Skip != nil && t.options.Skip(r) {
			return next(r)
		}
		s := t.start(r)
		return app.After(next.Try(r), func(resp *app.Response, err error) app.Answer {
			s.answered(resp, err)
			if err != nil {
				return app.Fail(err)
			}
			return app.Ready(resp)
		})
	}
}

// start starts the span of a request.
func (t *tracing) start(r *app.Request) *serverSpan {
	ctx := t.options.Propagator.Extract(r.Context(), Carrier{&r.Fields})
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(r.Arrived), trace.WithAttributes(requestAttributes(r)...),
	}
	if caller := trace.SpanContextFromContext(ctx); t.options.Public && caller.IsValid() {
		options = append(options, trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: caller}))
	}
	ctx, span := t.tracer.Start(ctx, spanName(r.Method, ""), options...)
	r.SetContext(ctx)
	fields := r.Fields.Clone(len(t.fields))
	for _, name := range t.fields {
		fields.Del(name) // what was malformed must not pass for the span's
	}
	t.options.Propagator.Inject(ctx, Carrier{&fields})
	r.Fields = fields
	s := &serverSpan{span: span, r: r}
	if !core.Attach(r, &s.ending, s) {
		s.Ended(context.Cause(ctx))
	}
	return s
}

// serverSpan is the span of a request.
type serverSpan struct {
	ending ending.Entry
	span   trace.Span
	r      *app.Request
	hasEnd atomic.Bool // answered was called
}

// answered describes the response, or the one for err. On the loop.
func (s *serverSpan) answered(resp *app.Response, err error) {
	s.hasEnd.Store(true)
	if !s.span.IsRecording() {
		return
	}
	s.nameRoute()
	if err == nil && resp == nil {
		err = app.ErrNoResponse
	}
	if err != nil {
		resp = app.ErrorResponse(err)
	}
	s.span.SetAttributes(semconv.HTTPResponseStatusCode(resp.Status))
	if resp.Status < 500 {
		return
	}
	s.span.SetAttributes(errorType(resp.Status, err))
	if err == nil {
		s.span.SetStatus(codes.Error, "")
		return
	}
	s.span.SetStatus(codes.Error, text(err.Error()))
	if p, ok := errors.AsType[*app.PanicError](err); ok {
		s.span.RecordError(p, trace.WithAttributes(semconv.ExceptionStacktrace(text(string(p.Stack)))))
	}
}

// nameRoute names the span by the route that a router has chosen.
func (s *serverSpan) nameRoute() {
	if route := routeOf(s.r.Pattern()); route != "" {
		s.span.SetName(spanName(s.r.Method, route))
		s.span.SetAttributes(semconv.HTTPRoute(route))
	}
}

// Ended implements ending.Listener. cause is app.ErrRequestDone if all is complete. Span processors may block, so the goroutine that ends the
// request, which is that of the loop, does not call them.
func (s *serverSpan) Ended(cause error) {
	at := time.Now()
	go s.end(cause, at)
}

// end ends the span. If there was an answer, it is described already; else the cause tells why.
func (s *serverSpan) end(cause error, at time.Time) {
	if s.span.IsRecording() {
		if s.hasEnd.Load() {
			s.endAnswered(cause)
		} else {
			s.endUnanswered(cause)
		}
	}
	s.span.End(trace.WithTimestamp(at))
}

// endAnswered describes a response that is not complete. The status stays as it is: that a
// client leaves a stream is how most of them end.
func (s *serverSpan) endAnswered(cause error) {
	if !errors.Is(cause, app.ErrRequestDone) && !errors.Is(cause, app.ErrDraining) {
		s.span.SetAttributes(semconv.ErrorTypeKey.String("incomplete"))
	}
}

// endUnanswered describes a request whose handler has not answered.
func (s *serverSpan) endUnanswered(cause error) {
	s.nameRoute()
	kind := "_OTHER"
	switch {
	case errors.Is(cause, app.ErrDeadline):
		kind = "deadline"
		s.span.SetAttributes(semconv.HTTPResponseStatusCode(app.ErrorResponse(cause).Status))
	case errors.Is(cause, app.ErrPeerGone), errors.Is(cause, app.ErrHalfClosed):
		kind = "client_gone"
	case errors.Is(cause, app.ErrDraining):
		kind = "draining"
	}
	s.span.SetAttributes(semconv.ErrorTypeKey.String(kind))
	s.span.SetStatus(codes.Error, text(cause.Error()))
}

// Carrier has the fields of a message as those of a propagator, for example to send the context
// of a span with a request of package client: Inject(ctx, Carrier{&request.Fields}). Several lines
// of one name are one list.
type Carrier struct{ Fields *app.Fields }

// Get implements propagation.TextMapCarrier.
func (c Carrier) Get(name string) string { return c.Fields.Joined(name) }

// Set implements propagation.TextMapCarrier.
func (c Carrier) Set(name, value string) { c.Fields.Set(name, value) }

// Keys implements propagation.TextMapCarrier.
func (c Carrier) Keys() []string {
	var names []string
	for _, f := range *c.Fields {
		names = append(names, strings.ToLower(f.Name))
	}
	return names
}
