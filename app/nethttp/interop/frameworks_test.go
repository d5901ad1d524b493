//go:build linux

package interop

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	labstack "github.com/labstack/echo/v4"
	labstackmiddleware "github.com/labstack/echo/v4/middleware"
)

// steps is a handler's content in two parts: the second is sent after the client has read the first.
type steps chan struct{}

// stream writes the parts by write, which also flushes.
func (s steps) stream(write func(string)) {
	write("first\n")
	<-s
	write("second\n")
}

// expectSteps reads the parts as they come.
func (c asker) expectSteps(s steps, r io.Reader) {
	c.Helper()
	lines := bufio.NewReader(r)
	first, err := lines.ReadString('\n')
	s <- struct{}{}
	rest, err2 := io.ReadAll(lines)
	if err = errors.Join(err, err2); err != nil || first != "first\n" || string(rest) != "second\n" {
		c.Errorf("streamed %q, %q: %v", first, rest, err)
	}
}

// silent is a log of chi's middleware without lines.
type silent struct{}

func (silent) NewLogEntry(*http.Request) middleware.LogEntry { return silent{} }

func (silent) Write(int, int, http.Header, time.Duration, any) {}

func (silent) Panic(any, []byte) {}

// TestChi: chi's router and its middleware for timeouts, compression, panics and throttling.
func TestChi(t *testing.T) {
	streamed, entered, leave := make(steps), make(chan struct{}), make(chan struct{})
	r := chi.NewRouter()
	r.Use(middleware.RequestID, middleware.StripSlashes)
	r.With(middleware.RequestLogger(silent{}), middleware.Recoverer).
		Get("/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	r.Get("/users/{id:[0-9]+}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "user "+chi.URLParam(r, "id")) })
	r.With(middleware.Timeout(50*time.Millisecond)).Get("/slow", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	r.With(middleware.Throttle(1)).Get("/throttled", func(w http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-leave
	})
	r.With(middleware.Compress(5, "text/plain")).Get("/compressed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		streamed.stream(func(s string) {
			io.WriteString(w, s)
			w.(http.Flusher).Flush()
		})
	})
	r.Mount("/debug", middleware.Profiler())

	inEachMode(t, r, func(t *testing.T, c asker) {
		c.expect("/users/7/", 200, "user 7")
		c.expect("/users/x", 404, "404 page not found\n")
		c.expect("/panic", 500, "")
		c.expect("/slow", 504, "")
		if response, _ := c.get("/debug/pprof/cmdline"); response.StatusCode != 200 {
			t.Errorf("profiler: %v", response.Status)
		}

		compressed := c.open("GET", "/compressed", nil, "Accept-Encoding", "gzip")
		content, err := gzip.NewReader(compressed.Body)
		if err != nil {
			t.Fatal(err)
		}
		c.expectSteps(streamed, content)

		first := make(chan *http.Response)
		go func() {
			response, err := c.client.Get(c.url + "/throttled")
			if err != nil {
				t.Error(err)
			}
			first <- response
		}()
		<-entered
		c.expect("/throttled", http.StatusTooManyRequests, "Server capacity exceeded.\n")
		leave <- struct{}{}
		if response := <-first; response != nil {
			if response.StatusCode != 200 {
				t.Errorf("the first of two throttled requests: %s", response.Status)
			}
			response.Body.Close()
		}
	})
}

// TestEcho: echo's binding, errors, recovery, compression, limits and streaming.
func TestEcho(t *testing.T) {
	streamed := make(steps)
	e := labstack.New()
	e.Logger.SetOutput(io.Discard)
	e.Use(labstackmiddleware.Recover(), labstackmiddleware.Gzip(), labstackmiddleware.BodyLimit("1K"))
	e.POST("/bind", func(c labstack.Context) error {
		var v struct{ Name string }
		if err := c.Bind(&v); err != nil {
			return err
		}
		return c.JSON(201, v)
	})
	e.GET("/panic", func(labstack.Context) error { panic("on purpose") })
	e.GET("/teapot", func(labstack.Context) error { return labstack.NewHTTPError(418, "short and stout") })
	e.GET("/streamed", func(c labstack.Context) error {
		streamed.stream(func(s string) {
			c.String(200, s)
			c.Response().Flush()
		})
		return nil
	})

	inEachMode(t, e, func(t *testing.T, c asker) {
		bound, got := c.read(c.open("POST", "/bind", strings.NewReader(`{"name":"Ada"}`), "Content-Type", "application/json"))
		if bound.StatusCode != 201 || got != `{"Name":"Ada"}`+"\n" {
			t.Errorf("bind: %s %q", bound.Status, got)
		}
		tooLarge, _ := c.read(c.open("POST", "/bind", strings.NewReader(`"`+strings.Repeat("x", 2<<10)), "Content-Type", "application/json"))
		if tooLarge.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("beyond the limit: %s", tooLarge.Status)
		}
		c.expect("/panic", 500, `{"message":"Internal Server Error"}`+"\n")
		c.expect("/teapot", 418, `{"message":"short and stout"}`+"\n")
		c.expectSteps(streamed, c.open("GET", "/streamed", nil).Body)
	})
}

// TestGin: gin's routes, recovery, redirects, streaming, server-sent events and CloseNotify.
func TestGin(t *testing.T) {
	gin.SetMode(gin.ReleaseMode)
	streamed, waiting, gone := make(steps), make(chan struct{}), make(chan struct{})
	g := gin.New()
	g.Use(gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(500) }))
	g.GET("/users/:id", func(c *gin.Context) { c.JSON(200, gin.H{"id": c.Param("id"), "query": c.Query("q")}) })
	g.GET("/panic", func(*gin.Context) { panic("on purpose") })
	g.GET("/streamed", func(c *gin.Context) {
		parts := 0
		c.Stream(func(w io.Writer) bool {
			if parts++; parts == 2 {
				<-streamed
			}
			io.WriteString(w, []string{"first\n", "second\n"}[parts-1])
			return parts < 2
		})
	})
	g.GET("/events", func(c *gin.Context) {
		for n := range 3 {
			c.SSEvent("count", n)
			c.Writer.Flush()
		}
	})
	g.GET("/endless", func(c *gin.Context) {
		c.Stream(func(io.Writer) bool {
			waiting <- struct{}{}
			<-c.Writer.CloseNotify()
			return false
		})
		gone <- struct{}{}
	})

	inEachMode(t, g, func(t *testing.T, c asker) {
		c.expect("/users/7?q=a+b", 200, `{"id":"7","query":"a b"}`)
		c.expect("/users/7/", 301, "<a href=\"/users/7\">Moved Permanently</a>.\n\n")
		c.expect("/panic", 500, "")
		c.expectSteps(streamed, c.open("GET", "/streamed", nil).Body)
		c.expect("/events", 200, "event:count\ndata:0\n\nevent:count\ndata:1\n\nevent:count\ndata:2\n\n")

		ended := make(chan error, 1)
		go func() {
			client := *c.client
			client.Timeout = 200 * time.Millisecond
			response, err := client.Get(c.url + "/endless")
			if err == nil {
				response.Body.Close()
				err = fmt.Errorf("a response: %s", response.Status)
			}
			ended <- err
		}()
		<-waiting
		<-gone
		if err := <-ended; !strings.Contains(err.Error(), "Timeout") {
			t.Error(err)
		}
	})
}
