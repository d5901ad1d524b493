package files

import (
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/url"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
)

// maxListed is how many entries of a directory are listed: names fill about 1 MB
// then.
const maxListed = 10000

// list makes the page that lists a directory.
type list struct {
	dir   file
	limit int // of entries
	// shows reports whether an entry of that name is listed.
	shows func(name string) bool
	// target returns what a symbolic link of that name leads to; an error if that
	// cannot be served.
	target func(name string) (fs.FileInfo, error)
}

// page answers with the list. On the pool.
func (l *list) page() (*app.Response, error) {
	dir, ok := l.dir.(interface {
		ReadDir(n int) ([]fs.DirEntry, error)
	})
	if !ok {
		return nil, errNoList
	}
	entries, err := dir.ReadDir(l.limit + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	cut := len(entries) > l.limit
	if cut {
		entries = entries[:l.limit]
	}
	var names []string
	for _, e := range entries {
		name, kind := e.Name(), e.Type()
		if !l.shows(name) {
			continue
		}
		if kind&fs.ModeSymlink != 0 {
			info, err := l.target(name)
			if err != nil {
				continue
			}
			kind = info.Mode().Type()
		}
		switch {
		case kind.IsDir():
			name += "/"
		case !kind.IsRegular():
			continue // a pipe, socket or device, which is not served
		}
		names = append(names, name)
	}
	slices.Sort(names)
	var page strings.Builder
	page.WriteString("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<ul>\n")
	for _, name := range names {
		// A name with a colon would be taken for a scheme without ./ before it.
		href := "./" + (&url.URL{Path: name}).EscapedPath()
		fmt.Fprintf(&page, "<li><a href=\"%s\">%s</a></li>\n", html.EscapeString(href), html.EscapeString(strings.ToValidUTF8(name, "\uFFFD")))
	}
	page.WriteString("</ul>\n")
	if cut {
		fmt.Fprintf(&page, "<p>The directory has more entries than the %d that were read.</p>\n", l.limit)
	}
	return app.HTML(200, page.String()), nil
}
