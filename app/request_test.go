package app_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

func TestFields(t *testing.T) {
	var fs app.Fields
	fs.Add("A", "1")
	fs.Add("b", "2")
	fs.Add("a", "3")
	if fs.Get("a") != "1" || fs.Get("B") != "2" || fs.Get("c") != "" || fs.Has("c") || !fs.Has("B") {
		t.Errorf("getting from %v", fs)
	}
	if got := fs.Joined("A"); got != "1, 3" {
		t.Errorf("joined %q", got)
	}
	if got := fs.Values("a"); fmt.Sprint(got) != "[1 3]" {
		t.Errorf("values %v", got)
	}
	copied := fs.Clone(0)
	fs.Set("a", "4")
	fs.Set("C", "5")
	if fmt.Sprint(fs) != "[{A 4} {b 2} {C 5}]" || fmt.Sprint(copied) != "[{A 1} {b 2} {a 3}]" {
		t.Errorf("set: %v, the copy is %v", fs, copied)
	}
	fs.Del("B")
	if fmt.Sprint(fs) != "[{A 4} {C 5}]" {
		t.Errorf("deleted: %v", fs)
	}
	tokens := app.Fields{{Name: "Vary", Value: "a, Accept-Encoding"}, {Name: "vary", Value: "x"}}
	if !tokens.HasToken("vary", "accept-encoding") || !tokens.HasToken("Vary", "X") || tokens.HasToken("Vary", "accept") {
		t.Error("tokens")
	}
	if (app.Fields{{Name: "\u212a", Value: "kelvin"}}).Has("k") { // the sign of the unit folds to k in Unicode
		t.Error("names are folded beyond ASCII")
	}
}

func TestQuery(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		_, has := r.LookupQuery("empty")
		_, not := r.LookupQuery("none")
		return app.Ready(app.Text(200, fmt.Sprintf("%s|%s|%v|%v|%s", r.Path(), r.QueryValue("a b"), has, not, r.Query().Get("z"))))
	})
	host.Do(apptest.Get("/p%20q?x=1&a+b=c%2Bd&empty&z=%zz&z=2")).Want(t, 200, "/p q|c+d|true|false|2")
}

// Query and LookupQuery leave out the same pairs as net/url.
func TestQueryAndLookupQueryAgree(t *testing.T) {
	for _, query := range []string{
		"a=1&b=2", "a=%zz", "a=%zz&a=2", "%zz=1&a=2", "a;b=1", "a=1;b=2&a=3", "&&a=1&&", "=1", "=", "&", "a", "a=", "a=1=2", "a+b=c+d", "%61=1",
		"a%3Bb=1", "a=%", "a=%2", "%=1", "a=b%26c", strings.Repeat("b=1&", 12000) + "a=1",
	} {
		want := url.Values{}
		for pair := range strings.SplitSeq(query, "&") { // one by one: there may be more than net/url takes
			values, _ := url.ParseQuery(pair)
			for name := range values {
				want[name] = append(want[name], values[name]...)
			}
		}
		r := &app.Request{RawQuery: query}
		if got := r.Query(); !reflect.DeepEqual(got, want) {
			t.Errorf("%.20q: the query has %d names, want %d", query, len(got), len(want))
		}
		for _, name := range []string{"", "a", "b", "a b", "a;b", "%zz", "%"} {
			value, ok := r.LookupQuery(name)
			if value != want.Get(name) || ok != want.Has(name) || r.QueryValue(name) != value {
				t.Errorf("%.20q: %q is %q, %v; want %q", query, name, value, ok, want[name])
			}
		}
	}
}

func TestValues(t *testing.T) {
	type key struct{}
	host := apptest.New(func(r *app.Request) app.Answer {
		if r.Value(key{}) != nil {
			t.Error("a fresh request has a value")
		}
		r.SetValue(key{}, 1)
		r.SetValue(key{}, 2)
		return app.Ready(app.Text(200, fmt.Sprint(r.Value(key{}))))
	})
	host.Do(apptest.Get("/")).Want(t, 200, "2")
}
