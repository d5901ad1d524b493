package compress_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/spi"
)

// quickExchange is an exchange whose pool runs jobs inside Submit.
type quickExchange struct {
	loop    app.Loop
	request app.Request
	written bytes.Buffer
}

func (x *quickExchange) Loop() app.Loop                       { return x.loop }
func (x *quickExchange) Pool() app.Pool                       { return x }
func (x *quickExchange) Submit(work func()) error             { work(); return nil }
func (x *quickExchange) ReadBody([]byte, func()) (int, error) { return 0, io.EOF }
func (x *quickExchange) Trailers() app.Fields                 { return nil }
func (x *quickExchange) Inform(int, app.Fields) error         { return nil }
func (x *quickExchange) Write(p []byte, _ func()) (int, error) {
	return x.written.Write(p)
}
func (x *quickExchange) Finish(app.Fields, error) {}

func TestQuickPoolEncodesOnce(t *testing.T) {
	content := strings.Repeat(words, 10)
	handler := compress.New(compress.Options{})(answering(
		app.Streamed(200, "text/plain", func(w *app.Writer) app.Future[app.Done] { return w.WriteString(content) })))
	x := &quickExchange{loop: apptest.New(handler).Loop(0)}
	x.request.Fields.Add("Accept-Encoding", "gzip")
	spi.Bind(&x.request, x, &app.ConnInfo{})
	resp, err := handler(&x.request).Result()
	if err != nil {
		t.Fatal(err)
	}
	spi.ServeStream(resp.Content.(*app.Stream), &x.request)
	z, err := gzip.NewReader(&x.written)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || string(b) != content {
		t.Errorf("got %d bytes, want %d (%v)", len(b), len(content), err)
	}
}
