//go:build linux

package interop

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	nocrypt "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gatewheel/gatewheel/app"
)

// plainBytes is a codec whose messages are []byte, so that nothing has to be generated.
type plainBytes struct{}

func (plainBytes) Name() string { return "bytes" }

func (plainBytes) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (plainBytes) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}

// speakGRPC serves three methods: Echo gives every message back, unary or streaming, Hang never answers, and
// Fail fails.
func speakGRPC(r *app.Request) app.Answer {
	switch r.RawPath {
	case "/test/Hang":
		_, f := app.Promised[*app.Response](r)
		return f
	case "/test/Fail":
		// Trailers alone.
		return app.Ready((&app.Response{Status: 200}).With("Content-Type", "application/grpc").
			With("Grpc-Status", fmt.Sprint(int(codes.NotFound))).With("Grpc-Message", "not here"))
	}
	// Frames of messages that are given back need no new framing.
	return app.Ready(app.Streamed(200, "application/grpc", func(w *app.Writer) app.Future[app.Done] {
		w.Trailer("Grpc-Status", "0")
		return app.Map(app.Copy(w, r.Body), func(int64) (app.Done, error) { return app.Done{}, nil })
	}))
}

func dialGRPC(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(nocrypt.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plainBytes{}), grpc.MaxCallRecvMsgSize(8<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func message(n int) []byte { return bytes.Repeat([]byte{byte(n), byte(n >> 8)}, n/2) }

// Calls of grpc-go succeed, unary and streaming, many at once on one connection; and so they go on however
// many are cancelled.
func TestGRPC(t *testing.T) {
	s := serveHandler(t, speakGRPC)
	conn := dialGRPC(t, s.plain)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	t.Run("unary", func(t *testing.T) {
		var wait sync.WaitGroup
		for worker := range 16 {
			wait.Go(func() {
				for i := range 40 {
					want := message((worker*40 + i) * 100)
					if i == 0 {
						want = message(1 << 20)
					}
					var got []byte
					if err := conn.Invoke(ctx, "/test/Echo", want, &got); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d bytes came back of %d, %v", len(got), len(want), err)
						return
					}
				}
			})
		}
		wait.Wait()
	})
	t.Run("streaming", func(t *testing.T) {
		var wait sync.WaitGroup
		for range 16 {
			wait.Go(func() {
				stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test/Echo")
				if err != nil {
					t.Error(err)
					return
				}
				for i := range 200 {
					want := message(i * 50)
					var got []byte
					if err := stream.SendMsg(want); err != nil {
						t.Error(err)
						return
					}
					if err := stream.RecvMsg(&got); err != nil || !bytes.Equal(got, want) {
						t.Errorf("%d bytes came back of %d, %v", len(got), len(want), err)
						return
					}
				}
				_ = stream.CloseSend()
				if err := stream.RecvMsg(new([]byte)); err == nil || err.Error() != "EOF" {
					t.Errorf("the stream ended with %v", err)
				}
			})
		}
		wait.Wait()
	})
	t.Run("failure", func(t *testing.T) {
		err := conn.Invoke(ctx, "/test/Fail", []byte("x"), new([]byte))
		if status.Code(err) != codes.NotFound || status.Convert(err).Message() != "not here" {
			t.Errorf("failed with %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				for range 500 {
					cancelOne(ctx, t, conn)
				}
			})
		}
		wait.Wait()
	})
	if n := s.Counts().Accepted; n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	if n := s.Counts().HTTP2.Calmed; len(n) > 0 {
		t.Errorf("taken for abuse: %v", n)
	}
}

// cancelOne leaves one call before its answer, another in the midst of it, and completes a third.
func cancelOne(ctx context.Context, t *testing.T, conn *grpc.ClientConn) {
	hung, cancel := context.WithCancel(ctx)
	if _, err := conn.NewStream(hung, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test/Hang"); err != nil {
		t.Error(err)
	}
	cancel()
	begun, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := conn.NewStream(begun, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test/Echo")
	if err != nil {
		t.Error(err)
		return
	}
	var got []byte
	if err := stream.SendMsg([]byte("hello")); err != nil {
		t.Error(err)
	}
	if err := stream.RecvMsg(&got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	cancel()
	if err := conn.Invoke(ctx, "/test/Echo", []byte("hello"), &got); err != nil {
		t.Error(err)
	}
}
