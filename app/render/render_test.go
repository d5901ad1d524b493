package render_test

import (
	"errors"
	"fmt"
	"html/template"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/render"
)

var pages = template.Must(template.New("base").Funcs(template.FuncMap{
	"fail": func() (string, error) { return "", errors.New("no such user") },
}).Parse(`<p>base{{define "hello"}}<p>hello, {{.}}{{end}}{{define "fails"}}<p>half{{fail}}{{end}}`))

func page(name string, data any) app.Handler {
	return func(*app.Request) app.Answer {
		resp, err := render.HTML(200, pages, name, data)
		if err != nil {
			return app.Fail(err)
		}
		return app.Ready(resp)
	}
}

func TestHTML(t *testing.T) {
	call := apptest.New(page("hello", "<script>")).Do(apptest.Get("/"))
	call.Want(t, 200, "<p>hello, &lt;script&gt;")
	if got := call.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("got %q", got)
	}
	apptest.New(page("", nil)).Do(apptest.Get("/")).Want(t, 200, "<p>base")
	for _, name := range []string{"fails", "missing"} {
		call := apptest.New(page(name, nil)).Do(apptest.Get("/"))
		call.Want(t, 500, "Internal Server Error\n")
		if call.Err == nil {
			t.Errorf("%s: nothing is logged", name)
		}
	}
}

func ExampleHTML() {
	var templates = template.Must(template.New("").Parse(`{{define "user"}}<h1>{{.Name}}</h1>{{end}}`))

	handler := func(r *app.Request) app.Answer {
		page, err := render.HTML(200, templates, "user", map[string]string{"Name": "Ada & Grace"})
		if err != nil {
			return app.Fail(err)
		}
		return app.Ready(page)
	}

	call := apptest.New(handler).Do(apptest.Get("/"))
	fmt.Println(call.Status, string(call.Content))
	// Output: 200 <h1>Ada &amp; Grace</h1>
}
