//go:build linux

package admin

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"sync"
	"time"
)

//go:embed page.html
var pageText string

// pageParts is the page, with its script and style, which are not parsed as templates, and the policy that names them
// by their hashes.
type pageParts struct {
	template      *template.Template
	style, script string
	policy        string
}

// parts is split on first use: few servers show the page.
var parts = sync.OnceValue(func() *pageParts { return splitPage(pageText) })

// splitPage takes style and script out of the text of the page: html/template would change them, and their hashes.
func splitPage(text string) *pageParts {
	head, rest, _ := strings.Cut(text, "<style>")
	style, rest, _ := strings.Cut(rest, "</style>")
	body, rest, _ := strings.Cut(rest, "<script>")
	script, tail, _ := strings.Cut(rest, "</script>")
	p := &pageParts{style: style, script: script}
	p.template = template.Must(template.New("page").Funcs(template.FuncMap{
		"duration": durationText, "number": numberText, "time": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	}).Parse(head + "<style>{{.Style}}</style>" + body + "<script>{{.Script}}</script>" + tail))
	p.policy = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hashOf(style), hashOf(script))
	return p
}

// hashOf returns the source expression of Content-Security-Policy for an inline text.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page answers with the page as of now, complete without its script, which keeps it up to date.
func (s *Server) page(w http.ResponseWriter, _ *http.Request) {
	shot := s.watch.current()
	first, err := json.Marshal(shot)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var content bytes.Buffer
	parts := parts()
	err = parts.template.Execute(&content, map[string]any{
		"Style": template.CSS(parts.style), "Script": template.JS(parts.script), "Snapshot": shot, "First": string(first), "Links": s.options.links(),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", parts.policy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(content.Bytes())
}

// links returns what else there is to read: paths and their names.
func (o *Options) links() (all [][2]string) {
	for _, l := range []struct {
		there      bool
		path, name string
	}{
		{o.Loops != nil, "loops", "loops"},
		{o.Connections != nil, "connections?sort=bytes_out&limit=100", "connections"},
		{o.Requests != nil, "requests", "requests"},
		{o.Backends != nil, "backends", "backends"},
		{o.Stalls != nil, "stalls", "stalls"},
		{o.Recent != nil, "log/recent", "log"},
		{o.Count != nil, "count", "counters"},
		{o.Metrics != nil, "metrics", "metrics"},
		{o.Config != nil, "config", "configuration"},
		{true, "debug/pprof/", "profiles"},
		{true, "version", "version"},
	} {
		if l.there {
			all = append(all, [2]string{l.path, l.name})
		}
	}
	return all
}

// durationText formats seconds with three digits, as the script does. 0 is a time that is not known.
func durationText(seconds float64) string {
	switch {
	case seconds == 0:
		return "–"
	case seconds < 1e-3:
		return fmt.Sprintf("%.3g µs", seconds*1e6)
	case seconds < 1:
		return fmt.Sprintf("%.3g ms", seconds*1e3)
	case seconds < 60:
		return fmt.Sprintf("%.3g s", seconds)
	}
	return (time.Duration(seconds) * time.Second).String()
}

// numberText formats a number with a suffix for thousands and more, as the script does.
func numberText(v any) string {
	var n float64
	switch v := v.(type) {
	case float64:
		n = v
	case uint64:
		n = float64(v)
	case int64:
		n = float64(v)
	case int:
		n = float64(v)
	}
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if n >= unit.size {
			size := unit.size
			if unit.name == "k" {
				size = 1e3
			}
			return fmt.Sprintf("%.3g %s", n/size, unit.name)
		}
	}
	if n == float64(int64(n)) {
		return fmt.Sprint(int64(n))
	}
	return fmt.Sprintf("%.3g", n)
}
