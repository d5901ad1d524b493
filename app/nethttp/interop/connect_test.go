//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// Procedures of the service under test.
const (
	procedureUnary  = "/test.Words/Upper"
	procedureClient = "/test.Words/Join"
	procedureServer = "/test.Words/Split"
	procedureBidi   = "/test.Words/Echo"
	procedureWait   = "/test.Words/Wait"
)

type word = wrapperspb.StringValue

// words returns the handler of a service of connect-go with a procedure of each kind. ended gets the context's error at
// the end of each call of procedureWait.
func words(ended chan<- error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(procedureUnary, connect.NewUnaryHandler(procedureUnary, func(_ context.Context, r *connect.Request[word]) (*connect.Response[word], error) {
		if r.Msg.Value == "" {
			err := connect.NewError(connect.CodeInvalidArgument, errors.New("näh, no word"))
			err.Meta().Set("X-Why", "empty")
			return nil, err
		}
		response := connect.NewResponse(wrapperspb.String(strings.ToUpper(r.Msg.Value)))
		response.Header().Set("X-Got", r.Header().Get("X-Sent"))
		response.Trailer().Set("X-Last", "end")
		return response, nil
	}, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	mux.Handle(procedureClient, connect.NewClientStreamHandler(procedureClient, func(_ context.Context, s *connect.ClientStream[word]) (*connect.Response[word], error) {
		var all []string
		for s.Receive() {
			all = append(all, s.Msg().Value)
		}
		return connect.NewResponse(wrapperspb.String(strings.Join(all, " "))), s.Err()
	}))
	mux.Handle(procedureServer, connect.NewServerStreamHandler(procedureServer, func(_ context.Context, r *connect.Request[word], s *connect.ServerStream[word]) error {
		for w := range strings.FieldsSeq(r.Msg.Value) {
			if err := s.Send(wrapperspb.String(w)); err != nil {
				return err
			}
		}
		return connect.NewError(connect.CodeOutOfRange, errors.New("no more words"))
	}))
	mux.Handle(procedureBidi, connect.NewBidiStreamHandler(procedureBidi, func(_ context.Context, s *connect.BidiStream[word, word]) error {
		for {
			m, err := s.Receive()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.Send(m); err != nil {
				return err
			}
		}
	}))
	mux.Handle(procedureWait, connect.NewUnaryHandler(procedureWait, func(ctx context.Context, _ *connect.Request[word]) (*connect.Response[word], error) {
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}))
	return mux
}

// connectProtocols are the options of a client for each protocol of connect-go.
var connectProtocols = map[string][]connect.ClientOption{
	"connect":      nil,
	"connect-gzip": {connect.WithSendGzip()},
	"connect-json": {connect.WithProtoJSON()},
	"connect-get":  {connect.WithHTTPGet()},
	"grpc":         {connect.WithGRPC()},
	"grpc-gzip":    {connect.WithGRPC(), connect.WithSendGzip()},
	"grpc-web":     {connect.WithGRPCWeb()},
}

// TestConnect: the protocols of connect-go work over HTTP/2, and over HTTP/1.1 what they can do there.
func TestConnect(t *testing.T) {
	for _, mode := range nethttptest.Modes {
		t.Run(string(mode), func(t *testing.T) {
			ended := make(chan error, 1)
			site := nethttptest.Start(t, mode, &http.Server{Handler: words(ended)})
			overHTTP2 := mode == nethttptest.H2C || mode == nethttptest.H2TLS
			for name, options := range connectProtocols {
				if strings.HasPrefix(name, "grpc") && name != "grpc-web" && !overHTTP2 {
					continue // gRPC is defined for HTTP/2.
				}
				t.Run(name, func(t *testing.T) {
					c := connectCalls{t, site, options}
					c.unary()
					c.clientStream()
					c.serverStream()
					if overHTTP2 {
						c.bidiStream()
					}
					c.timeout(ended)
				})
			}
		})
	}
}

// connectCalls makes one call of each kind.
type connectCalls struct {
	*testing.T
	site    *nethttptest.Site
	options []connect.ClientOption
}

func (c connectCalls) client(procedure string) *connect.Client[word, word] {
	return connect.NewClient[word, word](c.site.Client(), c.site.URL+procedure, c.options...)
}

func (c connectCalls) unary() {
	request := connect.NewRequest(wrapperspb.String("word"))
	request.Header().Set("X-Sent", "a")
	r, err := c.client(procedureUnary).CallUnary(c.Context(), request)
	if err != nil {
		c.Fatalf("unary: %v", err)
	}
	if r.Msg.Value != "WORD" || r.Header().Get("X-Got") != "a" || r.Trailer().Get("X-Last") != "end" {
		c.Errorf("unary: %q, header %v, trailer %v", r.Msg.Value, r.Header(), r.Trailer())
	}
	_, err = c.client(procedureUnary).CallUnary(c.Context(), connect.NewRequest(wrapperspb.String("")))
	var failure *connect.Error
	if !errors.As(err, &failure) || failure.Code() != connect.CodeInvalidArgument || failure.Message() != "näh, no word" || failure.Meta().Get("X-Why") != "empty" {
		c.Errorf("unary without a word: %v", err)
	}
}

func (c connectCalls) clientStream() {
	s := c.client(procedureClient).CallClientStream(c.Context())
	for n := range 100 {
		if err := s.Send(wrapperspb.String(fmt.Sprint(n))); err != nil {
			c.Fatalf("client stream: send: %v", err)
		}
	}
	r, err := s.CloseAndReceive()
	if err != nil {
		c.Fatalf("client stream: %v", err)
	}
	if n := len(strings.Fields(r.Msg.Value)); n != 100 {
		c.Errorf("client stream: %d of 100 messages arrived", n)
	}
}

func (c connectCalls) serverStream() {
	s, err := c.client(procedureServer).CallServerStream(c.Context(), connect.NewRequest(wrapperspb.String("some words to split")))
	if err != nil {
		c.Fatalf("server stream: %v", err)
	}
	defer s.Close()
	var got []string
	for s.Receive() {
		got = append(got, s.Msg().Value)
	}
	if len(got) != 4 || connect.CodeOf(s.Err()) != connect.CodeOutOfRange {
		c.Errorf("server stream: %q, then %v", got, s.Err())
	}
}

// bidiStream sends each message after the answer to the one before.
func (c connectCalls) bidiStream() {
	s := c.client(procedureBidi).CallBidiStream(c.Context())
	for n := range 20 {
		want := fmt.Sprint(n)
		if err := s.Send(wrapperspb.String(want)); err != nil {
			c.Fatalf("bidirectional stream: send: %v", err)
		}
		m, err := s.Receive()
		if err != nil {
			c.Fatalf("bidirectional stream: %v", err)
		}
		if m.Value != want {
			c.Errorf("bidirectional stream: %q came back for %q", m.Value, want)
		}
	}
	s.CloseRequest()
	if _, err := s.Receive(); !errors.Is(err, io.EOF) {
		c.Errorf("bidirectional stream ends with %v", err)
	}
	s.CloseResponse()
}

// timeout: the handler's context ends with the client's deadline.
func (c connectCalls) timeout(ended <-chan error) {
	ctx, cancel := context.WithTimeout(c.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.client(procedureWait).CallUnary(ctx, connect.NewRequest(wrapperspb.String("")))
	if connect.CodeOf(err) != connect.CodeDeadlineExceeded {
		c.Errorf("timeout: %v", err)
	}
	<-ended
}

// TestConnectHealthAndReflection: the ready-made services of connect-go answer clients of grpc-go.
func TestConnectHealthAndReflection(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle(grpchealth.NewHandler(grpchealth.NewStaticChecker("test.Words")))
	mux.Handle(grpcreflect.NewHandlerV1(grpcreflect.NewStaticReflector(grpchealth.HealthV1ServiceName)))
	conn := dialGRPC(t, nethttptest.Start(t, nethttptest.H2TLS, &http.Server{Handler: mux}))
	expectHealthy(t, conn, "test.Words")
	expectListed(t, conn, grpchealth.HealthV1ServiceName)
}
