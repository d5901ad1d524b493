// Package target is the application that load tests run against. Each endpoint
// does one thing, answers a wrong parameter with 400 and one sentence, and bounds
// the memory that its requests hold.
package target

import (
	"math"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/files"
	"github.com/gatewheel/gatewheel/app/router"
)

// MaxBytes is the maximum content of /bytes, /stream and /drip, in bytes.
const MaxBytes = 1 << 30

// Config is what the application needs from its server. With the zero Config it
// lacks /file/, /stall/ and /count.
type Config struct {
	// Root is the directory under /file/; empty means none.
	Root string
	// OnFileError is files.Options.OnError of that directory.
	OnFileError func(r *app.Request, name string, err error)
	// AllowStall enables /stall/, which blocks a loop.
	AllowStall bool
	// AllowBackends lets /fanout ask servers on other machines.
	AllowBackends bool
	// Draining reports whether the server is draining; then /readyz is 503. nil means
	// never. It is called on any loop.
	Draining func() bool
	// ShortOfMemory reports whether the server refuses requests for lack of memory; then /readyz is 503 too. nil means
	// never.
	ShortOfMemory func() bool
	// Counter has the counters that /count shows; nil means no such endpoint.
	Counter Counter
	// Ask sends GET target to the server itself, for /fanout; nil means in process. It
	// is called on r's loop.
	Ask func(r *app.Request, target string) app.Answer
	// Now is the clock of Server-Timing; nil means time.Now. It is called on any loop.
	Now func() time.Time
	// WebSocket has the limits of WebSockets.
	WebSocket SocketLimits
}

// New returns the application. It fails if Root cannot be opened.
func New(config Config) (app.Handler, error) {
	var routes router.Router
	t := &target{config: config, serve: routes.Serve, client: client.New(client.Options{Timeout: -1})}
	if t.config.Now == nil {
		t.config.Now = time.Now
	}
	for _, e := range t.endpoints() {
		t.handle(&routes, e)
	}
	handleSockets(&routes, config.WebSocket)
	if config.Root != "" {
		files, err := files.Open(config.Root, files.Options{List: true, OnError: config.OnFileError})
		if err != nil {
			return nil, err
		}
		routes.Handle("/file/{path...}", files.Serve)
	}
	return routes.Serve, nil
}

type target struct {
	config   Config
	client   *client.Client // of /fanout
	serve    app.Handler
	children atomic.Int64 // that /fanout waits for, on all loops
	held     atomic.Int64 // bytes that /echo?after=1 holds, on all loops
}

var (
	helloResponse = app.Ready(&app.Response{
		Status:  200,
		Fields:  app.Fields{{Name: "Content-Type", Value: "text/plain"}},
		Content: app.Bytes("Hello, World!"),
	})
	okResponse       = app.Ready(app.Text(200, "ok\n"))
	shortResponse    = app.Ready(app.Text(503, "short of memory\n"))
	drainingResponse = app.Ready(app.Text(503, "draining\n"))
)

func hello(*app.Request) app.Answer   { return helloResponse }
func healthz(*app.Request) app.Answer { return okResponse }

func (t *target) readyz(*app.Request) app.Answer {
	if t.config.Draining != nil && t.config.Draining() {
		return drainingResponse
	}
	if t.config.ShortOfMemory != nil && t.config.ShortOfMemory() {
		return shortResponse
	}
	return okResponse
}

func status(r *app.Request) app.Answer {
	code, err := number("the status", r.PathValue(parameter), 200, 599)
	if err != nil {
		return app.Fail(err)
	}
	return app.Ready(bare(code))
}

// bare returns a response with a status, and its reason phrase as content if it may have one.
func bare(code int) *app.Response {
	if code == 204 || code == 205 || code == 304 {
		return app.Empty(code)
	}
	return app.Error(code, "")
}

func unstable(r *app.Request) app.Answer {
	p := params{r: r}
	share := p.share("fail", 0.1)
	code := p.number("status", 503, 200, 599)
	draw := p.draw()
	if p.err != nil {
		return p.refusal()
	}
	if draw() < share {
		return app.Ready(bare(code))
	}
	return okResponse
}

// stall blocks its loop, which no other handler may do.
func stall(r *app.Request) app.Answer {
	d, err := duration("the duration", r.PathValue(parameter))
	p := params{r: r, err: err}
	spinning := p.flag("spin")
	if p.err != nil {
		return p.refusal()
	}
	if spinning {
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

// pattern returns the content of /bytes, /stream and /drip: numbered lines of 64
// characters, so that a client can check any part.
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

// piece returns up to n bytes of the content at offset, up to the end of the block.
func piece(offset, n int64) []byte {
	rest := pattern()[offset%blockSize:]
	return rest[:min(int64(len(rest)), n)]
}
