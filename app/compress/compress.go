// Package compress compresses responses with zstd or gzip, as far as the client
// accepts them.
package compress

import (
	"context"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Options say what is compressed. The zero Options are sensible.
type Options struct {
	// MinSize is the length in bytes from which on content of a known length is
	// compressed; 1024 when 0.
	MinSize int
	// GzipLevel is 1 (fast) to 9 (small); 0 is the library's default.
	GzipLevel int
	// Types tells whether content of that media type (lower case, without
	// parameters) is worth it; when nil: text, JSON, XML, scripts, SVG, fonts that
	// are not compressed and the like.
	Types func(mediaType string) bool
}

const (
	defaultMinSize = 1024
	// inline is how many bytes are compressed on the loop at once, about 0.1 ms;
	// more goes to the pool.
	inline = 16 << 10
	// turn is how many bytes of one stream are compressed on the loop, call by call,
	// before others have theirs: the peer does not hold back what shrinks to nothing.
	turn = 128 << 10
	// call is what every one of them counts for besides: about as many bytes could
	// be compressed meanwhile.
	call = 64
)

// New makes the middleware. It leaves alone: responses that have a
// Content-Encoding, a part only (206, Content-Range), a digest of their content,
// or Cache-Control: no-transform. What it compresses loses Accept-Ranges, and its
// strong ETag becomes weak; Vary is added to whatever it would compress for
// another client, to its parts (206), and to every 304, whose tag becomes weak if
// that of the 200 was.
//
// A stream is flushed when its producer pauses, at the end of the loop's turn: a
// client sees each event when it happens, and a fast producer still compresses
// well. However much there is to compress, the loop goes on with its other work
// about every millisecond.
func New(options Options) app.Middleware {
	if options.MinSize == 0 {
		options.MinSize = defaultMinSize
	}
	if options.GzipLevel == 0 {
		options.GzipLevel = gzip.DefaultCompression
	}
	if options.Types == nil {
		options.Types = compressible
	}
	if _, err := gzip.NewWriterLevel(nil, options.GzipLevel); err != nil {
		panic(err)
	}
	c := &compressor{options: options, encoders: newEncoders(options.GzipLevel)}
	return func(next app.Handler) app.Handler {
		return func(r *app.Request) app.Future[*app.Response] {
			f := next(r)
			if f.Ready() {
				resp, err := f.Result()
				if err != nil || !c.concerns(resp) && !isPartial(resp) {
					return f
				}
			}
			return app.Then(f, func(resp *app.Response) app.Future[*app.Response] {
				return c.answer(r, resp)
			})
		}
	}
}

type compressor struct {
	options  Options
	encoders encoders
}

// concerns tells whether some client would get the response compressed.
func (c *compressor) concerns(resp *app.Response) bool {
	if resp == nil || resp.Content == nil || resp.Status < 200 || resp.Status == 204 || resp.Status == 206 || resp.Status == 304 {
		return false
	}
	if n := resp.Content.Length(); n >= 0 && n < int64(c.options.MinSize) {
		return false
	}
	return !resp.Fields.Has("Content-Range") && !c.keeps(resp) && c.options.Types(mediaType(resp))
}

// keeps reports whether the response says that its content is to stay as it is.
func (c *compressor) keeps(resp *app.Response) bool {
	for _, name := range [...]string{"Content-Encoding", "Content-Digest", "Repr-Digest", "Content-MD5"} {
		if resp.Fields.Has(name) {
			return true
		}
	}
	// RFC 9111 section 5.2.2.6.
	return resp.Fields.HasToken("Cache-Control", "no-transform")
}

func mediaType(resp *app.Response) string {
	kind, _, _ := strings.Cut(resp.Fields.Get("Content-Type"), ";")
	return strings.ToLower(strings.Trim(kind, " \t"))
}

func compressible(kind string) bool {
	if strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") {
		return true
	}
	switch kind {
	case "application/json", "application/javascript", "application/xml", "application/wasm",
		"application/x-ndjson", "application/yaml", "application/graphql", "application/manifest+json",
		"application/vnd.ms-fontobject", "font/ttf", "font/otf", "image/bmp", "image/x-icon":
		return true
	}
	return false
}

func (c *compressor) answer(r *app.Request, resp *app.Response) app.Future[*app.Response] {
	coding := negotiate(r.Fields)
	switch {
	case isPartial(resp):
		return app.Ready(c.partial(r, resp, coding))
	case !c.concerns(resp):
		return app.Ready(resp)
	case coding == identity:
		return app.Ready(varying(resp))
	case r.Method == "HEAD":
		resp.Close()
		return app.Ready(encoded(resp, coding, &app.Stream{Size: -1}))
	}
	switch content := resp.Content.(type) {
	case app.Bytes:
		return c.bytes(r, resp, content, coding)
	case *app.Pull:
		return app.Ready(encoded(resp, coding, c.pulled(r, content, coding)))
	case *app.Stream:
		return app.Ready(encoded(resp, coding, c.streamed(content, coding)))
	}
	return app.Ready(resp)
}

// isPartial reports whether resp stands for a 200 without having all of its fields or
// content.
func isPartial(resp *app.Response) bool {
	return resp != nil && (resp.Status == 304 || resp.Status == 206)
}

// partial gives a 304 or 206 what the 200 in its place would have had. A part of
// content is never compressed, so its tag stays strong. Whether a 304 stands for
// compressed content is known from the tag that the client has of it; without one,
// from what it accepts.
func (c *compressor) partial(r *app.Request, resp *app.Response, coding coding) *app.Response {
	if resp.Status == 206 {
		if c.isPartOfCompressible(resp) {
			return varying(resp)
		}
		return resp
	}
	if kind := mediaType(resp); kind != "" && !c.options.Types(kind) || c.keeps(resp) {
		return resp
	}
	etag := resp.Fields.Get("ETag")
	if !strings.HasPrefix(etag, `"`) {
		return varying(resp)
	}
	weak := coding != identity
	known := r.Fields.Joined("If-None-Match")
	if tags, weakTags := strings.Count(known, etag), strings.Count(known, "W/"+etag); tags > 0 {
		weak = tags == weakTags
	}
	changed := *varying(resp)
	if weak {
		changed.Fields = changed.Fields.Clone(0)
		changed.Fields.Set("ETag", "W/"+etag)
	}
	return &changed
}

// isPartOfCompressible reports whether some client would get the whole compressed.
func (c *compressor) isPartOfCompressible(resp *app.Response) bool {
	if kind := mediaType(resp); kind != "multipart/byteranges" && !c.options.Types(kind) {
		return false
	}
	_, total, _ := strings.Cut(resp.Fields.Get("Content-Range"), "/")
	n := octets.Decimal(total)
	return !c.keeps(resp) && (n < 0 || n >= int64(c.options.MinSize))
}

// varying says that another client might get another coding.
func varying(resp *app.Response) *app.Response {
	if resp.Fields.HasToken("Vary", "Accept-Encoding") || resp.Fields.HasToken("Vary", "*") {
		return resp
	}
	return resp.With("Vary", "Accept-Encoding")
}

// encoded is the response with other content.
func encoded(resp *app.Response, c coding, content app.Content) *app.Response {
	changed := *varying(resp)
	changed.Content = content
	changed.Fields = changed.Fields.Clone(1)
	changed.Fields.Add("Content-Encoding", string(c))
	changed.Fields.Del("Accept-Ranges")
	// RFC 9110 section 8.8.3.3: other bytes need another strong tag; a weak one
	// holds for both.
	if etag := changed.Fields.Get("ETag"); strings.HasPrefix(etag, `"`) {
		changed.Fields.Set("ETag", "W/"+etag)
	}
	return &changed
}

// bytes compresses content that is in memory, on the pool unless it is small. A
// full pool, and content that does not become smaller, leave it as it is.
func (c *compressor) bytes(r *app.Request, resp *app.Response, content []byte, coding coding) app.Future[*app.Response] {
	work := func() *app.Response {
		enc := c.encoders.get(coding)
		defer enc.release()
		b, err := enc.whole(content)
		if err != nil || len(b) >= len(content) {
			return varying(resp)
		}
		return encoded(resp, coding, app.Bytes(b))
	}
	if len(content) <= inline {
		return app.Ready(work())
	}
	offloaded := app.Offload(r, func(context.Context) (*app.Response, error) { return work(), nil })
	return app.Catch(offloaded, func(error) app.Future[*app.Response] {
		return app.Ready(varying(resp))
	})
}
