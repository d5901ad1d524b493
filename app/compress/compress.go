// Package compress compresses responses with zstd or gzip, depending on what the client
// accepts.
package compress

import (
	"context"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// Options select what is compressed. The zero Options are ready for use.
type Options struct {
	// MinSize is the smallest length in bytes of content that is compressed, if the
	// length is known; 0 is 1024.
	MinSize int
	// GzipLevel is 1 (fast) to 9 (small); 0 is the library's default.
	GzipLevel int
	// Types reports whether content of that media type (in lower case, without
	// parameters) is compressed. nil selects text, JSON, XML, scripts, SVG, uncompressed
	// fonts and similar types.
	Types func(mediaType string) bool
}

const (
	defaultMinSize = 1024
	// inline is the number of bytes that are compressed on the loop at once, in about 0.1
	// ms. More are compressed on the pool.
	inline = 16 << 10
	// turn is the number of bytes of one stream that are compressed on the loop before
	// other work gets its turn: the peer does not stop content that shrinks to nothing.
	turn = 128 << 10
	// call is the overhead of a write, in bytes that could be compressed in its time.
	call = 64
)

// New returns the middleware. It does not change responses that have a Content-Encoding, a
// digest of their content or Cache-Control: no-transform, nor partial ones (206,
// Content-Range). Compressed responses lose Accept-Ranges, and a strong ETag becomes weak.
// Vary is added to responses that it would compress for other clients, to their parts
// (206), and to 304s, whose ETag is weak if that of the corresponding 200 was. It panics if
// GzipLevel is invalid.
//
// Streams are flushed at the end of the loop's turn when their producer pauses, so that
// clients see each event at once, while a fast producer still compresses well. Compression
// occupies the loop for about a millisecond at a time.
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
		return func(r *app.Request) app.Answer {
			f := next(r)
			if f.Ready() {
				resp, err := f.Result()
				if err != nil || !c.concerns(resp) && !isPartial(resp) {
					return f
				}
			}
			return app.Then(f, func(resp *app.Response) app.Answer {
				return c.answer(r, resp)
			})
		}
	}
}

type compressor struct {
	options  Options
	encoders encoders
}

// concerns reports whether some clients would get the response compressed.
func (c *compressor) concerns(resp *app.Response) bool {
	if resp == nil || resp.Content == nil || resp.Status < 200 || resp.Status == 204 || resp.Status == 206 || resp.Status == 304 {
		return false
	}
	if n := resp.Content.Length(); n >= 0 && n < int64(c.options.MinSize) {
		return false
	}
	return !resp.Fields.Has("Content-Range") && !c.keeps(resp) && c.options.Types(mediaType(resp))
}

// keeps reports whether the content of the response must not be changed.
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

func (c *compressor) answer(r *app.Request, resp *app.Response) app.Answer {
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

// varying returns the response with a Vary field, since other clients may get another
// coding.
func varying(resp *app.Response) *app.Response {
	if resp.Fields.HasToken("Vary", "Accept-Encoding") || resp.Fields.HasToken("Vary", "*") {
		return resp
	}
	return resp.WithAdded("Vary", "Accept-Encoding")
}

// encoded returns the response with encoded content.
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

// bytes compresses content in memory, on the pool unless it is small. Content that does
// not become smaller, and that for which the pool has no room, stays as it is.
func (c *compressor) bytes(r *app.Request, resp *app.Response, content []byte, coding coding) app.Answer {
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
	return app.Catch(offloaded, func(error) app.Answer {
		return app.Ready(varying(resp))
	})
}
