package nethttp

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/overhttp"
	"github.com/gatewheel/gatewheel/app/spi"
)

// answer is the response as the handler makes it. It belongs to the handler's goroutine.
type answer struct {
	header   http.Header
	status   int   // 0: the head is not fixed yet
	started  bool  // the head was passed to the loop
	streams  bool  // the head announces content
	length   int64 // of a Content-Length field; -1: none
	written  int64
	buf      []byte // not yet passed to the loop; its memory is pooled
	room     int    // capacity of buf that is used
	lines    app.Fields
	inline   [6]app.Field
	trailers []string // names that were announced
	head     headFacts
	err      error // of the first failed write
	hijacked bool
}

// headFacts is what the fields of the response say to the server.
type headFacts struct {
	typed, coded, transfer, prefixed, dated bool
	stated                                  bool // Content-Length is there without a number, so that none is added
	last                                    bool // "Connection: close" over HTTP/2, which a GOAWAY says there
}

// Sizes in bytes up to which content is kept for a response whose length is sent, as in net/http.
const (
	smallest1 = 2 << 10
	smallest2 = 4 << 10
)

// Header implements http.ResponseWriter.
func (e *exchange) Header() http.Header {
	if e.answer.header == nil {
		e.answer.header = make(http.Header)
	}
	return e.answer.header
}

// WriteHeader implements http.ResponseWriter.
func (e *exchange) WriteHeader(status int) {
	if e.returned.Load() {
		e.logCall("WriteHeader after the handler has returned")
		return
	}
	if e.answer.hijacked {
		e.logCall("response.WriteHeader on hijacked connection")
		return
	}
	e.writeHeader(status)
}

// writeHeader is WriteHeader, also after the handler has returned.
func (e *exchange) writeHeader(status int) {
	a := &e.answer
	if a.status != 0 {
		if e.r.Protocol != app.HTTP2 {
			e.logCall("superfluous response.WriteHeader call")
		}
		return
	}
	if status < 100 || status > 999 {
		panic("invalid WriteHeader code " + strconv.Itoa(status))
	}
	if status < 200 && status != http.StatusSwitchingProtocols {
		e.inform(status)
		return
	}
	a.status = status
	e.snapshot()
}

// inform sends an informational response with the present fields.
func (e *exchange) inform(status int) {
	var fields app.Fields
	for _, name := range overhttp.SortedNames(e.answer.header, nil) {
		switch name {
		case "Content-Length", "Transfer-Encoding":
		default:
			fields = overhttp.AppendField(fields, name, e.answer.header[name])
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.informs = append(e.informs, inform{status, fields})
	e.kick()
}

// snapshot fixes the fields of the response.
func (e *exchange) snapshot() {
	a := &e.answer
	a.lines = a.inline[:0]
	if len(a.header) == 0 {
		return
	}
	var room [8]string
	for _, name := range overhttp.SortedNames(a.header, room[:]) {
		e.snap(name, a.header[name])
	}
}

// snap adds the lines of a field.
func (e *exchange) snap(name string, values []string) {
	a := &e.answer
	switch name {
	case "Content-Length":
		if len(values) == 0 || values[0] == "" {
			a.head.stated = true
			return
		}
		n, err := strconv.ParseInt(values[0], 10, 64)
		if err != nil || n < 0 {
			e.adapter.logf("http: invalid Content-Length of %q", values[0])
			a.head.stated = e.r.Protocol != app.HTTP2
			return
		}
		a.length = n
		return
	case "Transfer-Encoding":
		if a.head.transfer = len(values) > 0 && values[0] != ""; !a.head.transfer {
			return
		}
	case "Connection":
		a.head.last = e.r.Protocol == app.HTTP2 && httpguts.HeaderValuesContainsToken(values, "close")
	case "Content-Type":
		a.head.typed = true
	case "Content-Encoding":
		a.head.coded = len(values) > 0 && values[0] != ""
	case "Date":
		a.head.dated = true
		if len(values) == 0 {
			a.lines.Add("Date", "") // the server leaves it out
		}
	case "Trailer":
		for _, line := range values {
			for key := range strings.SplitSeq(line, ",") {
				e.announce(strings.Trim(key, " \t"))
			}
		}
	}
	if strings.HasPrefix(name, http.TrailerPrefix) {
		a.head.prefixed = true
		return
	}
	a.lines = overhttp.AppendField(a.lines, name, values)
}

// announce notes the name of a trailer field.
func (e *exchange) announce(name string) {
	name = http.CanonicalHeaderKey(name)
	if e.answer.trailers == nil {
		e.answer.trailers = make([]string, 0, 4)
	}
	if name != "" && httpguts.ValidTrailerHeader(name) && !slices.Contains(e.answer.trailers, name) {
		e.answer.trailers = append(e.answer.trailers, name)
	}
}

// start passes the head to the loop, for content that begins with p and is streamed.
func (e *exchange) start(p []byte) {
	a := &e.answer
	a.started = true
	e.sniff(p)
	resp := e.makeHead()
	if e.request.Method != "HEAD" && overhttp.AllowsContent(a.status) {
		a.streams = true
		e.content = e.newContent(a.length)
		resp.Content = (*source)(e)
	} else {
		e.stateLength(a.length)
	}
	e.respond()
}

// whole passes the response to the loop: the handler has returned, and its content is in buf.
func (e *exchange) whole() {
	a := &e.answer
	a.started = true
	e.sniff(a.buf)
	resp := e.makeHead()
	switch {
	case !overhttp.AllowsContent(a.status):
		e.stateLength(a.length)
	case e.request.Method == "HEAD":
		if a.length < 0 && len(a.buf) > 0 && !a.head.transfer && !a.head.stated {
			a.length = int64(len(a.buf))
		}
		e.stateLength(a.length)
	default:
		resp.Content = app.Bytes(slices.Clone(a.buf))
	}
	e.respond()
}

// makeHead fills in status and fields of the response.
func (e *exchange) makeHead() *app.Response {
	if e.leavesTooMuch() {
		e.answer.lines.Add("Connection", "close")
	}
	e.response.Status, e.response.Fields = e.answer.status, e.answer.lines
	core.AllowAnyStatus(&e.response)
	return &e.response
}

// stateLength adds the Content-Length field of a response whose content is not sent.
func (e *exchange) stateLength(n int64) {
	if n < 0 || !overhttp.AllowsContent(e.answer.status) && (e.r.Protocol != app.HTTP2 || e.answer.status == 204) {
		return
	}
	e.response.Fields.Add("Content-Length", strconv.FormatInt(n, 10))
}

// respond passes the response to the loop, unless the deadline of writes has passed.
func (e *exchange) respond() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.times != nil && e.times.write.passed {
		e.answer.err = os.ErrDeadlineExceeded
		e.abort = true
		e.kick()
		return
	}
	e.ready = &e.response
	e.kick()
}

// sniff adds the Content-Type of content that begins with p.
func (e *exchange) sniff(p []byte) {
	a := &e.answer
	switch {
	case !overhttp.AllowsContent(a.status):
		e.suppress()
	case len(p) > 0 && !a.head.typed && !a.head.coded && !(a.head.transfer && e.r.Protocol != app.HTTP2):
		a.lines.Add("Content-Type", http.DetectContentType(p))
	}
}

// suppress removes fields that do not belong to a response without content over HTTP/1.
func (e *exchange) suppress() {
	if e.answer.status == 304 && e.r.Protocol != app.HTTP2 {
		e.answer.lines.Del("Content-Type")
	}
}

// complete ends the response after the handler has returned.
func (e *exchange) complete() {
	a := &e.answer
	if a.hijacked {
		return
	}
	if a.status == 0 {
		e.writeHeader(http.StatusOK)
	}
	trailers := e.promotedTrailers()
	if !a.started {
		e.dropUnread()
		if len(trailers) == 0 && e.isWhole() {
			e.whole()
			return
		}
		if a.length < 0 && e.r.Protocol == app.HTTP2 && !a.head.stated {
			a.length = a.written
		}
		e.start(a.buf)
	}
	if !a.streams {
		return
	}
	if len(a.buf) > 0 && a.err == nil {
		a.err = e.send(a.buf)
	}
	if a.length >= 0 && a.written < a.length || a.err != nil {
		e.mu.Lock()
		e.content.fail(spi.ErrAborted)
		e.tell()
		e.mu.Unlock()
		return
	}
	e.end(trailers)
}

// isWhole reports whether the content of the response is in buf, and its length may be sent.
func (e *exchange) isWhole() bool {
	switch a := &e.answer; {
	case e.request.Method == "HEAD", !overhttp.AllowsContent(a.status):
		return true
	case a.length >= 0:
		return a.length == int64(len(a.buf))
	default:
		return !a.head.stated && (e.r.Protocol == app.HTTP2 || !a.head.transfer)
	}
}

// promotedTrailers returns the trailer fields: those that were announced, and those with http.TrailerPrefix.
func (e *exchange) promotedTrailers() app.Fields {
	a := &e.answer
	for name := range a.header {
		if key, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			key = http.CanonicalHeaderKey(key)
			e.announce(key)
			a.header[key] = a.header[name]
		}
	}
	if len(a.trailers) == 0 {
		return nil
	}
	slices.Sort(a.trailers)
	var fields app.Fields
	for _, name := range a.trailers {
		fields = overhttp.AppendField(fields, name, a.header[name])
	}
	return fields
}
