package rival

import (
	"context"
	"crypto/tls"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/target"
	"github.com/gatewheel/gatewheel/reactor"
)

// Targets of the backend in addition to those of the built-in application.
const (
	FilePath   = "/file/"       // FileContent of the size that follows
	UploadPath = "/upload"      // Content, once the content of the request was read
	UnaryPath  = "/bench/unary" // UnaryContent with trailers, once the content of the request was read
)

// UnaryContent is a gRPC message of 16 bytes with its prefix.
const UnaryContent = "\x00\x00\x00\x00\x100123456789abcdef"

// FileContent is the content of a file of size bytes, a multiple of 16.
func FileContent(size int) string { return strings.Repeat("0123456789abcdef", size/16) }

// backend is the server behind gateways and fan-out handlers: a loop that answers at once, at
// every address of a list separated by commas, over HTTP/1.1 and HTTP/2.
func backend(o Options) error {
	handler, err := backendHandler()
	if err != nil {
		return err
	}
	var secure *tls.Config
	if o.secure() {
		certificate, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return err
		}
		secure = &tls.Config{Certificates: []tls.Certificate{certificate}}
	}
	return serveLoop(handler, strings.Split(o.Address, ","), secure)
}

// serveLoop serves on one loop, without limits of time.
func serveLoop(handler app.Handler, addresses []string, secure *tls.Config) error {
	config := server.Config{Handler: handler, Loops: 1, IdleTimeout: -1}
	for _, a := range addresses {
		config.Listeners = append(config.Listeners, reactor.ListenerConfig{Address: a, TLS: secure})
	}
	srv, err := server.New(config)
	if err != nil {
		return err
	}
	if err := srv.Start(context.Background()); err != nil {
		return err
	}
	select {}
}

func backendHandler() (app.Handler, error) {
	builtIn, err := target.New(target.Config{})
	if err != nil {
		return nil, err
	}
	hello := &app.Response{Status: 200, Fields: app.Fields{{Name: "Content-Type", Value: "text/plain"}}, Content: app.Bytes(Content)}
	var routes router.Router
	routes.Handle(FilePath+"{name}", file)
	routes.Handle(UploadPath, func(r *app.Request) app.Answer {
		return app.Map(r.Body.Discard(), func(int64) (*app.Response, error) { return hello, nil })
	})
	routes.Handle(UnaryPath, func(r *app.Request) app.Answer {
		return app.Map(r.Body.Discard(), func(int64) (*app.Response, error) { return unary(), nil })
	})
	routes.Handle("/{path...}", builtIn)
	return routes.Serve, nil
}

var files sync.Map // responses by name

func file(r *app.Request) app.Answer {
	name := r.PathValue("name")
	if known, ok := files.Load(name); ok {
		return app.Ready(known.(*app.Response))
	}
	size, err := strconv.Atoi(strings.TrimSuffix(name, ".bin"))
	if err != nil || size < 0 || size > 1<<30 {
		return app.Ready(app.Error(404, ""))
	}
	if size > largestBlob {
		return app.Ready(&app.Response{Status: 200, Content: pulled(size)})
	}
	response := app.Blob(200, "application/octet-stream", []byte(FileContent(size)))
	files.Store(name, response)
	return app.Ready(response)
}

// largestBlob is the largest size of a file that is in memory. An HTTP/2 server holds requests back while a connection
// has some megabytes of such content that the peer does not take.
const largestBlob = 1 << 20

// pulled returns FileContent as it is asked for.
func pulled(size int) *app.Pull {
	left := size
	return &app.Pull{Size: int64(size), Read: func(p []byte) (int, error) {
		n := min(len(p), left)
		for i := range n {
			p[i] = "0123456789abcdef"[(size-left+i)%16]
		}
		if left -= n; left == 0 {
			return n, io.EOF
		}
		return n, nil
	}}
}

// unary returns the response of a gRPC call.
func unary() *app.Response {
	rest := UnaryContent
	return &app.Response{
		Status: 200,
		Fields: app.Fields{{Name: "Content-Type", Value: "application/grpc"}},
		Content: &app.Pull{
			Size: -1,
			Read: func(p []byte) (int, error) {
				n := copy(p, rest)
				if rest = rest[n:]; rest == "" {
					return n, io.EOF
				}
				return n, nil
			},
			Trailers: func() app.Fields { return app.Fields{{Name: "Grpc-Status", Value: "0"}} },
		},
	}
}
