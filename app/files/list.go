package files

import (
	"fmt"
	"html"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/gatewheel/gatewheel/app"
)

// maxListed is how many entries of a directory are listed: names fill about 1 MB
// then.
const maxListed = 10000

// list answers with what is in a directory, up to so many entries. On the pool.
func list(dir *os.File, hidden bool, most int) (*app.Response, error) {
	entries, err := dir.ReadDir(most + 1)
	if err != nil && err != io.EOF {
		return nil, err
	}
	cut := len(entries) > most
	if cut {
		entries = entries[:most]
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !hidden && name[0] == '.' {
			continue
		}
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	var page strings.Builder
	page.WriteString("<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<ul>\n")
	for _, name := range names {
		// A name with a colon would be taken for a scheme without ./ before it.
		href := "./" + (&url.URL{Path: name}).EscapedPath()
		fmt.Fprintf(&page, "<li><a href=\"%s\">%s</a></li>\n", html.EscapeString(href), html.EscapeString(name))
	}
	page.WriteString("</ul>\n")
	if cut {
		fmt.Fprintf(&page, "<p>The directory has more entries than the %d that were read.</p>\n", most)
	}
	return app.HTML(200, page.String()), nil
}
