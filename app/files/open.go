package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/uri"
)

// open makes the response for a file or a directory. On the pool.
func (d *Dir) open(r *app.Request, name string, slash bool) (*app.Response, error) {
	h, err := d.root.acquire()
	if err != nil {
		return nil, err
	}
	defer h.release()
	file, info, err := h.open(name)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir() && !slash:
		file.Close()
		return redirectToSlash(r), nil
	case info.IsDir():
		index := path.Join(name, d.options.Index)
		indexFile, indexInfo, err := h.open(index)
		if err != nil || !indexInfo.Mode().IsRegular() {
			defer file.Close()
			return d.directory(r, h, name, file, indexFile, err)
		}
		file.Close()
		return d.respond(r, &opened{file: indexFile, info: indexInfo, name: index, key: strings.TrimPrefix(name+"/", "./")})
	case slash:
		file.Close()
		return nil, app.Statusf(404, "")
	}
	if !info.Mode().IsRegular() {
		file.Close()
		return nil, app.Statusf(403, "")
	}
	return d.respond(r, &opened{file: file, info: info, name: name, key: name})
}

// open opens a file of the directory. It does not wait for the other end of a pipe.
func (h *handle) open(name string) (*os.File, fs.FileInfo, error) {
	file, err := h.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
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
func (d *Dir) directory(r *app.Request, h *handle, name string, dir, index *os.File, err error) (*app.Response, error) {
	if index != nil {
		index.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if !d.options.List {
		return nil, app.Statusf(403, "")
	}
	l := list{
		dir: dir, limit: maxListed,
		shows: func(entry string) bool { return d.options.Hidden || !isHidden(path.Join(name, entry)) },
		target: func(entry string) (fs.FileInfo, error) {
			full := path.Join(name, entry)
			info, err := h.Stat(full)
			return info, d.judge(r, full, err)
		},
	}
	return l.page()
}

// redirectToSlash adds the slash, relative to the last segment: the path as a
// whole might begin with two slashes, which is another host's address.
func redirectToSlash(r *app.Request) *app.Response {
	last := r.RawPath[strings.LastIndexByte(r.RawPath, '/')+1:]
	return app.Redirect(301, uri.Location("./"+last+"/", r.RawQuery))
}

// opened is a regular file that was opened for a request.
type opened struct {
	file *os.File
	info fs.FileInfo
	name string // below the directory
	key  string // what requests name it by
}

// respond answers with a regular file, which it takes over. On the pool.
func (d *Dir) respond(r *app.Request, o *opened) (*app.Response, error) {
	now := time.Now()
	kind, err := contentType(o.file, o.info)
	if err != nil {
		o.file.Close()
		return nil, err
	}
	v := newVariant(&d.options, o.info, kind, now)
	if v.size > fileChunk {
		return v.answer(r, o.file)
	}
	defer o.file.Close()
	content := make([]byte, v.size)
	if n, err := o.file.ReadAt(content, 0); n < len(content) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	v.hold(content)
	if after, err := o.file.Stat(); err == nil && stateOf(after) == stateOf(o.info) && isLocalDisk(o.file) {
		d.cache.put(o.key, path.Join(d.root.path, o.name), stateOf(o.info), v)
	}
	return v.answer(r, nil)
}

// variant is a version of a file and how it is described: what each answer with it
// is made of. It does not change, so that all loops may use it.
type variant struct {
	validators
	size int64
	kind string
	// fields are those of a 304: Options.Fields and the ETag.
	fields app.Fields
	// content is that of a file that is held in memory; whole and unmodified are
	// then its 200 and 304.
	content           []byte
	whole, unmodified *app.Response
}

func newVariant(options *Options, info fs.FileInfo, kind string, now time.Time) *variant {
	v := &variant{validators: fileValidators(info, now), size: info.Size(), kind: kind}
	v.fields = append(options.Fields.Clone(6), app.Field{Name: "ETag", Value: v.etag})
	return v
}

// hold makes the answers that need nothing but the content.
func (v *variant) hold(content []byte) {
	v.content = content
	v.unmodified = &app.Response{Status: 304, Fields: v.fields}
	v.whole = &app.Response{
		Status:  200,
		Fields:  append(v.described(1), app.Field{Name: "Content-Type", Value: v.kind}),
		Content: app.Bytes(content),
	}
}

// described returns the fields of a 200 or 206 but for the content's own, with room
// for extra ones.
func (v *variant) described(extra int) app.Fields {
	fields := v.fields.Clone(2 + extra)
	fields.Add("Last-Modified", v.lastModified())
	fields.Add("Accept-Ranges", "bytes")
	return fields
}

// answer evaluates the preconditions and the range of r. Without a content in memory
// it takes the file over. On the loop, if the content is in memory, else on the pool.
func (v *variant) answer(r *app.Request, file *os.File) (resp *app.Response, err error) {
	defer func() {
		if file != nil && (resp == nil || resp.Content == nil) {
			file.Close()
		}
	}()
	if v.whole != nil && !isConditional(r.Fields) {
		return v.whole, nil
	}
	switch v.evaluate(r) {
	case 304:
		return &app.Response{Status: 304, Fields: v.fields}, nil
	case 412:
		return nil, &app.StatusError{Status: 412}
	}
	spans, err := requestedSpans(r, &v.validators, v.size)
	if err != nil {
		// RFC 9110 section 15.5.17.
		return nil, &app.StatusError{Status: 416, Err: err, Fields: app.Fields{{Name: "Content-Range", Value: fmt.Sprintf("bytes */%d", v.size)}}}
	}
	return v.spans(r, file, spans)
}

// spans answers with parts of the file; with all of it, if there are none.
func (v *variant) spans(r *app.Request, file *os.File, spans []span) (*app.Response, error) {
	c := &fileContent{}
	if v.content != nil {
		c.from = bytes.NewReader(v.content)
	} else {
		c.from, c.file = file, file
	}
	fields, kind, status := v.described(2), v.kind, 206
	switch len(spans) {
	case 0:
		status = 200
		c.add("", span{0, v.size})
	case 1:
		fields.Add("Content-Range", spans[0].contentRange(v.size))
		c.add("", spans[0])
	default:
		kind = c.multipart(spans, kind, v.size)
	}
	fields.Add("Content-Type", kind)
	content, err := c.content(r)
	return &app.Response{Status: status, Fields: fields, Content: content}, err
}

// requestedSpans returns the parts that Range asks for; none: all.
func requestedSpans(r *app.Request, v *validators, size int64) ([]span, error) {
	// RFC 9110 section 14.2: Range is defined for GET only.
	field := r.Fields.Get("Range")
	if r.Method != "GET" || field == "" || !v.rangeApplies(r) {
		return nil, nil
	}
	return parseRange(field, size)
}
