// Package target is the application that load testers point a client at. Each
// endpoint does one thing exactly, says in one sentence when a parameter is
// wrong, and holds no more memory than the peer's speed requires.
package target

import (
	"math"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

// MaxBytes is the largest content that /bytes, /stream and /drip give.
const MaxBytes = 1 << 30

// Config is what the application needs from its server. The zero Config serves
// everything that needs nothing.
type Config struct {
	// Root is the directory under /file/; none when empty.
	Root string
	// AllowStall turns on /stall/, which blocks a loop.
	AllowStall bool
	// Draining tells whether the server is about to stop: /readyz is 503 then.
	// nil: never. Any goroutine.
	Draining func() bool
	// Counter is asked by /count; without it there is no such endpoint.
	Counter Counter
	// Ask sends GET target to the server itself, for /fanout; in process when
	// nil. It is called on r's loop.
	Ask func(r *app.Request, target string) app.Future[*app.Response]
	// WebSocket has the limits and times of WebSockets.
	WebSocket SocketLimits
}

// New makes the application. It fails when Root cannot be opened.
func New(config Config) (app.Handler, error) {
	var routes app.Router
	t := &target{config: config, serve: routes.Serve}
	for pattern, handler := range map[string]app.Handler{
		"GET /{$}":            hello,
		"/bytes/{n}":          bytes,
		"/stream/{n}":         stream,
		"/drip":               drip,
		"/status/{code}":      status,
		"/echo":               echo,
		"/upload":             upload,
		"/headers":            headers,
		"/trailers":           trailers,
		"/delay/{durations}":  delay,
		"/offload/{duration}": offload,
		"/unstable":           unstable,
		"/fanout":             t.fanout,
		"/healthz":            healthz,
		"/readyz":             t.readyz,
	} {
		routes.Handle(pattern, handler)
	}
	routes.Handle("/events", events)
	handleSockets(&routes, config.WebSocket)
	if config.AllowStall {
		routes.Handle("/stall/{duration}", stall)
	}
	if config.Counter != nil {
		routes.Handle("/count", newCount(config.Counter).serve)
	}
	if config.Root != "" {
		files, err := app.OpenFiles(config.Root, app.FileOptions{List: true})
		if err != nil {
			return nil, err
		}
		routes.Handle("/file/{path...}", files.Serve)
	}
	return routes.Serve, nil
}

type target struct {
	config Config
	serve  app.Handler
}

var (
	helloResponse = app.Ready(&app.Response{
		Status:  200,
		Fields:  app.Fields{{Name: "Content-Type", Value: "text/plain"}},
		Content: app.Bytes("Hello, World!"),
	})
	okResponse       = app.Ready(app.Text(200, "ok\n"))
	drainingResponse = app.Ready(app.Text(503, "draining\n"))
)

func hello(*app.Request) app.Future[*app.Response]   { return helloResponse }
func healthz(*app.Request) app.Future[*app.Response] { return okResponse }

func (t *target) readyz(*app.Request) app.Future[*app.Response] {
	if t.config.Draining != nil && t.config.Draining() {
		return drainingResponse
	}
	return okResponse
}

func status(r *app.Request) app.Future[*app.Response] {
	code, err := strconv.Atoi(r.PathValue("code"))
	if err != nil || code < 200 || code > 599 {
		return refuse("the status is a number from 200 to 599, not %q", r.PathValue("code"))
	}
	if code == 204 || code == 205 || code == 304 {
		return app.Ready(app.Empty(code))
	}
	return app.Ready(app.Error(code, ""))
}

func unstable(r *app.Request) app.Future[*app.Response] {
	share, err := share(r, "fail", 0.1)
	if err != nil {
		return app.Failed[*app.Response](err)
	}
	code, err := number(r, "status", 503, 200, 599)
	if err != nil {
		return app.Failed[*app.Response](err)
	}
	if random() < share {
		return app.Ready(app.Error(code, ""))
	}
	return okResponse
}

// stall does what a handler must not do.
func stall(r *app.Request) app.Future[*app.Response] {
	d, err := duration("duration", r.PathValue("duration"))
	if err != nil {
		return app.Failed[*app.Response](err)
	}
	if r.QueryValue("spin") == "1" {
		spin(d)
	} else {
		time.Sleep(d)
	}
	return app.Ready(app.Text(200, "stalled for "+d.String()+"\n"))
}

func spin(d time.Duration) {
	x := 1.0
	for end := time.Now().Add(d); time.Now().Before(end); {
		for range 1000 {
			x = math.Sqrt(x + 1)
		}
	}
	runtime.KeepAlive(x)
}

// pattern is what /bytes and its kin give: lines of 64 characters that count, so
// that a client can check any part.
var pattern = sync.OnceValue(func() []byte {
	block := make([]byte, 0, blockSize)
	for line := 0; len(block) < blockSize; line++ {
		number := strconv.Itoa(line)
		for range 63 - len(number) {
			block = append(block, '.')
		}
		block = append(append(block, number...), '\n')
	}
	return block
})

// blockSize is the period of the pattern, in bytes.
const blockSize = 64 << 10

// piece is what comes at offset, up to n bytes and the end of the block.
func piece(offset, n int64) []byte {
	rest := pattern()[offset%blockSize:]
	return rest[:min(int64(len(rest)), n)]
}
