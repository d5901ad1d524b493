package files

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/accept"
	"github.com/gatewheel/gatewheel/app/internal/uri"
)

// respond makes the response for a name, or for the fallback in its place. On the pool.
func (d *Dir) respond(r *app.Request, name string, slash bool) (*app.Response, error) {
	t, err := d.source.acquire()
	if err != nil {
		return nil, err
	}
	defer t.release()
	resp, err := d.find(r, t, name, slash)
	if err == nil || d.options.Fallback == "" || strings.Contains(path.Base(name), ".") && name != "." {
		return resp, err
	}
	if !isAbsence(err) && !errors.Is(err, errNoIndex) {
		return nil, err
	}
	// Others get another response under the same name.
	if !accept.Names(r.Fields.Joined("Accept"), "text/html") {
		return nil, &app.StatusError{Status: 404, Fields: app.Fields{{Name: "Vary", Value: "Accept"}}, Err: err}
	}
	resp, err = d.find(r, t, d.options.Fallback, false)
	if err != nil {
		return nil, err
	}
	changed := *resp
	changed.Fields = accept.Vary(resp.Fields.Clone(1), "Accept")
	return &changed, nil
}

// find makes the response for a file or a directory.
func (d *Dir) find(r *app.Request, t tree, name string, slash bool) (*app.Response, error) {
	f, info, err := t.open(name)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir() && !slash:
		f.Close()
		return redirectToSlash(r), nil
	case info.IsDir():
		index := path.Join(name, d.options.Index)
		indexFile, indexInfo, err := t.open(index)
		if err != nil || !indexInfo.Mode().IsRegular() {
			defer f.Close()
			return d.directory(r, t, name, f, indexFile, err)
		}
		f.Close()
		return d.serve(r, t, &opened{file: indexFile, info: indexInfo, name: index, key: strings.TrimPrefix(name+"/", "./")})
	case slash:
		f.Close()
		return nil, app.Statusf(404, "")
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, app.Statusf(403, "")
	}
	return d.serve(r, t, &opened{file: f, info: info, name: name, key: name})
}

// errNoIndex is a directory without an index, which is not listed.
var errNoIndex = errors.New("files: the directory has no index")

// directory answers for a directory without an index.
func (d *Dir) directory(r *app.Request, t tree, name string, dir, index file, err error) (*app.Response, error) {
	if index != nil {
		index.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if !d.options.List {
		return nil, &app.StatusError{Status: 403, Err: errNoIndex}
	}
	l := list{
		dir: dir, limit: maxListed,
		shows: func(entry string) bool { return d.options.Hidden || !isHidden(path.Join(name, entry)) },
		target: func(entry string) (fs.FileInfo, error) {
			full := path.Join(name, entry)
			info, err := t.stat(full)
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
	file file
	info fs.FileInfo
	name string // below the directory
	key  string // what requests name it by
}

// serve answers with a regular file, which it takes over. On the pool.
func (d *Dir) serve(r *app.Request, t tree, o *opened) (*app.Response, error) {
	v := versions{options: &d.options, tree: t, opened: o, choice: &choice{}}
	defer v.closeFiles()
	if err := v.read(); err != nil {
		return nil, err
	}
	i := v.choice.of(r.Fields)
	chosen := v.choice.variants[i]
	if v.holdable && chosen.isHeld() {
		d.cache.put(o.key, v.choice)
	}
	f := v.files[i]
	v.files[i] = nil
	return chosen.answer(r, f)
}
