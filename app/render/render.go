// Package render makes responses of templates (html/template).
package render

import (
	"bytes"
	"fmt"
	"html/template"

	"github.com/gatewheel/gatewheel/app"
)

// HTML returns a response with the HTML that a template makes of data. name is that of an
// associated template, "" is t itself. The template is executed to its end before HTML returns:
// if it fails, so does HTML, and no half of a page is sent. The error, which names the template,
// is a 500 if the handler fails with it.
//
// Any goroutine, the template may be shared. On the loop, data should be at hand: methods of it
// that block would block the loop.
func HTML(status int, t *template.Template, name string, data any) (*app.Response, error) {
	if name != "" {
		named := t.Lookup(name)
		if named == nil {
			return nil, fmt.Errorf("render: there is no template %q", name)
		}
		t = named
	}
	var page bytes.Buffer
	if err := t.Execute(&page, data); err != nil {
		return nil, fmt.Errorf("render: %w", err)
	}
	return app.Blob(status, "text/html; charset=utf-8", page.Bytes()), nil
}
