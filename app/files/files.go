// Package files serves files: those of a directory, or of an fs.FS such as embed.FS.
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/internalapi"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// core is what package app does for this one only.
var core = internalapi.App.(interface {
	Rest(r *app.Request) (path string, ok bool)
	FilePool(r *app.Request) app.Pool
})

// Options configure how files are served.
type Options struct {
	// List answers for a directory without an index with a list of its entries, in
	// place of 403: 10,000 entries at most, and the page tells when there are more.
	// Links that lead out of the directory are left out.
	List bool
	// Index is the name of the file that is served for its directory; index.html
	// when empty.
	Index string
	// Hidden serves files and directories whose name begins with a dot; without it
	// they are 404. The directory .well-known at the top (RFC 8615) is always served.
	Hidden bool
	// Fields are added to every 200, 206 and 304.
	Fields app.Fields
	// Cache has the Cache-Control of files: that of the first rule that matches.
	Cache []CacheRule
	// Encoded serves name.br, name.zst or name.gz in place of the file name, if there is one,
	// the client accepts its coding, and it is not older than the file. Ranges are those of the
	// encoded content, and each has its own entity tag. Responses with such files get Vary.
	Encoded bool
	// Fallback, if not empty, is the name of a file that is served, with 200, for names that
	// do not exist, so that the script of a single-page application finds its page: to GET and
	// HEAD whose Accept names text/html, if the last segment of the name has no dot. It is served
	// for directories without an index and without List, too.
	Fallback string
	// OnError, if not nil, is called for a file that exists but cannot be served, and
	// gets a 403, 404 or 503: a symbolic link that leads out of the directory, a lack
	// of permission, an error of the disk. Any goroutine; it must not block for long.
	OnError func(r *app.Request, name string, err error)
}

// CacheRule is the Cache-Control of some files.
type CacheRule struct {
	// Pattern selects files by their names below the directory, as path.Match: "*.html" without
	// a slash matches the last segment, "assets/*.js" the whole name, "assets/**" all files below.
	Pattern string
	// Control is the value of Cache-Control, such as "public, max-age=31536000, immutable".
	Control string
}

// matches reports whether the rule is that of a file.
func (c *CacheRule) matches(name string) bool {
	if below, ok := strings.CutSuffix(c.Pattern, "/**"); ok {
		return strings.HasPrefix(name, below+"/")
	}
	if !strings.Contains(c.Pattern, "/") {
		name = path.Base(name)
	}
	ok, err := path.Match(c.Pattern, name)
	return ok && err == nil
}

// Dir serves a directory: GET and HEAD, conditional requests, ranges. Neither dot
// segments nor symbolic links lead out of the directory (os.Root). When the
// directory is replaced, or a symbolic link on the way to it is switched, the next
// request gets the new one. A Dir of an fs.FS differs in what FS describes.
//
// Disks may block, so files are opened and read on the pool, the next part when the
// peer has taken the last one. What the kernel has in memory of a file on a local disk is
// sent on the loop: by sendfile(2) over HTTP/1.1 in the clear, else read with RWF_NOWAIT.
// A file that becomes shorter meanwhile breaks its response off. Small files that were read
// lately are answered from memory, on the loop, after one stat that shows that the file has
// not changed.
type Dir struct {
	source  source
	cache   cache
	options Options
}

// Open opens a directory. It fails if there is none at that path, or if an option is invalid.
func Open(dir string, options Options) (*Dir, error) {
	path, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d, err := newDir(&root{path: path}, options)
	if err != nil {
		return nil, err
	}
	t, err := d.source.acquire()
	if err != nil {
		return nil, err
	}
	t.release()
	return d, nil
}

// newDir checks the options.
func newDir(s source, options Options) (*Dir, error) {
	if options.Index == "" {
		options.Index = "index.html"
	}
	for i := range options.Cache {
		c := &options.Cache[i]
		if _, err := path.Match(c.Pattern, ""); err != nil || c.Pattern == "" || !octets.IsValue(c.Control) {
			return nil, fmt.Errorf("files: the rule %q of Cache with %q is malformed", c.Pattern, c.Control)
		}
	}
	if options.Fallback != "" && !isLocal(options.Fallback) {
		return nil, fmt.Errorf("files: the fallback %q is not the name of a file below the directory", options.Fallback)
	}
	return &Dir{source: s, options: options}, nil
}

// Close closes the directory. Requests that come later get 404; content that is
// being sent is completed.
func (d *Dir) Close() error {
	d.cache.close()
	return d.source.close()
}

// Serve is an app.Handler. The name of the file is what the route's last wildcard of
// many segments has matched ("/static/{path...}", with any name), else the whole path.
func (d *Dir) Serve(r *app.Request) app.Answer {
	name := r.Path()
	if rest, ok := core.Rest(r); ok {
		name = rest
	}
	return d.File(r, name)
}

// File answers with one file of the directory, named by a path with slashes. A name
// that ends in a slash is that of a directory. OPTIONS gets 204, other methods than GET
// and HEAD 405, both with Allow. On the loop.
func (d *Dir) File(r *app.Request, name string) app.Answer {
	switch r.Method {
	case "GET", "HEAD":
	case "OPTIONS":
		return app.Ready(app.Empty(204).With("Allow", "GET, HEAD, OPTIONS"))
	default:
		return app.Ready(app.Error(405, "").With("Allow", "GET, HEAD"))
	}
	name = strings.TrimPrefix(name, "/")
	if resp, err, ok := d.cache.answer(r, name); ok {
		if err != nil {
			return app.Fail(err)
		}
		return app.Ready(resp)
	}
	plain, slash := strings.CutSuffix(name, "/")
	if plain == "" {
		plain, slash = ".", true
	}
	if !isLocal(plain) || !d.options.Hidden && isHidden(plain) {
		return app.Fail(app.Statusf(404, ""))
	}
	return app.OffloadTo(r, core.FilePool(r), func(context.Context) (*app.Response, error) {
		resp, err := d.respond(r, plain, slash)
		return resp, d.judge(r, plain, err)
	})
}

// isLocal reports whether name is a path below the directory: no empty, "." or ".."
// segments, no NUL. Names need not be UTF-8: on Linux they are bytes.
func isLocal(name string) bool {
	if name == "." {
		return true
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment == "." || segment == ".." || strings.IndexByte(segment, 0) >= 0 {
			return false
		}
	}
	return true
}

// wellKnown is the directory that RFC 8615 reserves.
const wellKnown = ".well-known"

func isHidden(name string) bool {
	if rest, ok := strings.CutPrefix(name, wellKnown); ok && (rest == "" || rest[0] == '/') {
		name = "." + rest
	}
	return name != "." && name[0] == '.' && !strings.HasPrefix(name, "./") || strings.Contains(name, "/.")
}

// judge turns an error of the file system into what the peer gets. Failures that are
// not a lack of the server's own mean that there is no such file to be had.
func (d *Dir) judge(r *app.Request, name string, err error) error {
	var status *app.StatusError
	if err == nil || errors.As(err, &status) {
		return err
	}
	if !isAbsence(err) && d.options.OnError != nil {
		d.options.OnError(r, name, err)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return &app.StatusError{Status: 403, Err: err}
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EIO):
		return &app.StatusError{Status: 503, Err: err}
	}
	return &app.StatusError{Status: 404, Err: err}
}

// isAbsence reports whether err only means that there is no file of that name.
func isAbsence(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrClosed) ||
		errors.Is(err, fs.ErrInvalid) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG)
}
