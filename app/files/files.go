// Package files serves files from a directory.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/unexported"
	"github.com/gatewheel/gatewheel/app/internal/uri"
)

// core is what package app does for this one only.
var core = unexported.App.(interface {
	Rest(r *app.Request) (path string, ok bool)
})

// Options say how files are served.
type Options struct {
	// List answers for a directory without an index with a list of what is in it,
	// in place of 403: of 10,000 entries at most, and the page says when there are
	// more.
	List bool
	// Index is the file that stands for its directory: index.html when empty.
	Index string
	// Hidden serves files and directories whose name begins with a dot; without
	// it they are 404.
	Hidden bool
	// Fields go into every answer that has a file in it, Cache-Control for example.
	Fields app.Fields
}

// Dir serves a directory: GET and HEAD, conditional requests, ranges. Nothing
// outside of the directory can be reached, by dot segments or by symbolic links
// (os.Root). Disks may block, so everything happens on the pool, and the peer's
// speed decides when the next part is read.
type Dir struct {
	root    *os.Root
	options Options
}

// Open opens a directory.
func Open(dir string, options Options) (*Dir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if options.Index == "" {
		options.Index = "index.html"
	}
	return &Dir{root: root, options: options}, nil
}

// Close closes the directory.
func (f *Dir) Close() error { return f.root.Close() }

// Serve is a Handler. The file's name is what the route's last wildcard of many
// segments has matched ("/static/{path...}", with any name), else the whole path.
func (f *Dir) Serve(r *app.Request) app.Future[*app.Response] {
	name := r.Path()
	if rest, ok := core.Rest(r); ok {
		name = rest
	}
	return f.File(r, name)
}

// File answers with one file of the directory, named by a path with slashes. A
// name that ends in a slash is a directory's.
func (f *Dir) File(r *app.Request, name string) app.Future[*app.Response] {
	if r.Method != "GET" && r.Method != "HEAD" {
		return app.Ready(app.Error(405, "").With("Allow", "GET, HEAD"))
	}
	name = strings.TrimPrefix(name, "/")
	plain, slash := strings.CutSuffix(name, "/")
	if plain == "" {
		plain, slash = ".", true
	}
	if !fs.ValidPath(plain) || !f.options.Hidden && isHidden(plain) {
		return app.Failed[*app.Response](app.Statusf(404, ""))
	}
	return app.Offload(r, func(context.Context) (*app.Response, error) {
		resp, err := f.open(r, plain, slash)
		return resp, fileError(err)
	})
}

func isHidden(name string) bool {
	return name != "." && (name[0] == '.' || strings.Contains(name, "/."))
}

// fileError says what a failure of the file system is to the peer. Whatever is
// not a lack of the server's own means that there is no such file to be had.
func fileError(err error) error {
	var status *app.StatusError
	switch {
	case err == nil || errors.As(err, &status):
		return err
	case errors.Is(err, fs.ErrPermission):
		return &app.StatusError{Status: 403, Err: err}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EIO):
		return &app.StatusError{Status: 503, Err: err}
	}
	return &app.StatusError{Status: 404, Err: err}
}

// open makes the response. On the pool.
func (f *Dir) open(r *app.Request, name string, slash bool) (*app.Response, error) {
	file, info, err := f.stat(name)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir() && !slash:
		file.Close()
		return redirectToSlash(r), nil
	case info.IsDir():
		index, indexInfo, err := f.stat(path.Join(name, f.options.Index))
		if err != nil || !indexInfo.Mode().IsRegular() {
			defer file.Close()
			return f.directory(file, index, err)
		}
		file.Close()
		file, info = index, indexInfo
	case slash:
		file.Close()
		return nil, app.Statusf(404, "")
	}
	if !info.Mode().IsRegular() {
		file.Close()
		return nil, app.Statusf(403, "")
	}
	return f.respond(r, file, info)
}

// stat opens without waiting for the other end of a pipe.
func (f *Dir) stat(name string) (*os.File, fs.FileInfo, error) {
	file, err := f.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// directory answers for a directory without an index.
func (f *Dir) directory(dir, index *os.File, err error) (*app.Response, error) {
	if index != nil {
		index.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if !f.options.List {
		return nil, app.Statusf(403, "")
	}
	return list(dir, f.options.Hidden, maxListed)
}

// redirectToSlash adds the slash, relative to the last segment: the path as a
// whole might begin with two slashes, which is another host's address.
func redirectToSlash(r *app.Request) *app.Response {
	last := r.RawPath[strings.LastIndexByte(r.RawPath, '/')+1:]
	return app.Redirect(301, uri.Location("./"+last+"/", r.RawQuery))
}

// respond answers with a regular file, which it takes over.
func (f *Dir) respond(r *app.Request, file *os.File, info fs.FileInfo) (resp *app.Response, err error) {
	c := &fileContent{file: file}
	defer func() {
		if resp == nil || resp.Content == nil {
			file.Close()
		}
	}()
	v := fileValidators(info, time.Now())
	fields := append(f.options.Fields.Clone(6), app.Field{Name: "ETag", Value: v.etag})
	switch v.evaluate(r) {
	case 304:
		return &app.Response{Status: 304, Fields: fields}, nil
	case 412:
		return nil, &app.StatusError{Status: 412, Fields: fields}
	}
	kind, err := contentType(file, info)
	if err != nil {
		return nil, err
	}
	spans, err := requestedSpans(r, v, info.Size())
	if err != nil {
		// RFC 9110 section 15.5.17.
		fields.Add("Content-Range", fmt.Sprintf("bytes */%d", info.Size()))
		return nil, &app.StatusError{Status: 416, Fields: fields, Err: err}
	}
	fields.Add("Last-Modified", v.lastModified())
	fields.Add("Accept-Ranges", "bytes")
	status := 206
	switch len(spans) {
	case 0:
		status = 200
		c.add("", span{0, info.Size()})
	case 1:
		fields.Add("Content-Range", spans[0].contentRange(info.Size()))
		c.add("", spans[0])
	default:
		kind = c.multipart(spans, kind, info.Size())
	}
	fields.Add("Content-Type", kind)
	content, err := c.content(r)
	return &app.Response{Status: status, Fields: fields, Content: content}, err
}

// requestedSpans are the parts that Range asks for; none: all.
func requestedSpans(r *app.Request, v *validators, size int64) ([]span, error) {
	// RFC 9110 section 14.2: Range is defined for GET only.
	field := r.Fields.Get("Range")
	if r.Method != "GET" || field == "" || !v.rangeApplies(r) {
		return nil, nil
	}
	return parseRange(field, size)
}

// Within which time two changes of a file may leave the same modification time:
// twice the tick of the kernel's clock that file systems ask, at its slowest; or
// where they keep whole seconds only, as much as the coarsest.
const (
	fineGranularity   = 20 * time.Millisecond
	coarseGranularity = 2 * time.Second
)

// fileValidators makes the entity tag of size and modification time. RFC 9110
// section 8.8.1: it is weak as long as the file may change again without a
// difference in them.
func fileValidators(info fs.FileInfo, now time.Time) *validators {
	modified := info.ModTime()
	etag := fmt.Sprintf("\"%x-%x\"", modified.UnixNano(), info.Size())
	granularity := fineGranularity
	if modified.Nanosecond() == 0 {
		granularity = coarseGranularity
	}
	if now.Sub(modified) < granularity {
		etag = "W/" + etag
	}
	return &validators{etag: etag, modified: modified, now: now}
}

// contentType goes by the name's extension, else by the first bytes.
func contentType(file *os.File, info fs.FileInfo) (string, error) {
	if kind := mime.TypeByExtension(path.Ext(info.Name())); kind != "" {
		return kind, nil
	}
	var begin [512]byte
	n, err := file.ReadAt(begin[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return http.DetectContentType(begin[:n]), nil
}
