package input_test

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/input"
)

type page struct {
	Number int `input:"page" default:"1"`
	Size   uint8
}

type search struct {
	page
	Text    string        `input:"q,required"`
	Tags    []string      `input:"tag"`
	IDs     []int32       `input:"id" default:"7"`
	Exact   bool          `input:"exact"`
	Score   float32       `input:"score"`
	Since   time.Time     `input:"since" layout:"2006-01-02"`
	At      *time.Time    `input:"at"`
	Within  time.Duration `input:"within"`
	From    netip.Addr    `input:"from"`
	Secret  []byte        `input:"secret"`
	Ignored string        `input:"-"`
}

func TestQuery(t *testing.T) {
	host := apptest.New(app.Sync(func(r *app.Request) (*app.Response, error) {
		s, err := input.Query[search](r, input.KnownFieldsOnly())
		at := s.At
		s.At = nil
		return app.Text(200, fmt.Sprintf("%+v %v", s, at)), err
	}))
	const zero = "IDs:[7] Exact:false Score:0 Since:0001-01-01 00:00:00 +0000 UTC At:<nil> Within:0s From:invalid IP Secret:[] Ignored:} <nil>"
	for query, want := range map[string]string{
		"q=tea":                               "200 {page:{Number:1 Size:0} Text:tea Tags:[] " + zero,
		"q=a+b%26&page=2&tag=&tag=x&Size=255": "200 {page:{Number:2 Size:255} Text:a b& Tags:[ x] " + zero,
		"q=a&page=&Size=&exact=&since=":       "200 {page:{Number:1 Size:0} Text:a Tags:[] " + zero,
		"q=a&id=1&id=-2&exact=on&score=1.5&since=2026-01-02&at=2026-01-02T03:04:05Z&within=1m&from=::1&secret=A": "200 {page:{Number:1 Size:0} Text:a Tags:[] IDs:[1 -2] Exact:true Score:1.5 Since:2026-01-02 00:00:00 +0000 UTC At:<nil> Within:1m0s From:::1 Secret:[65] Ignored:} 2026-01-02 03:04:05 +0000 UTC",
		"":                                    "400 the parameter \"q\" is required",
		"q=":                                  "400 the parameter \"q\" is required",
		"q=a&q=b":                             "400 the parameter \"q\" is given more than once",
		"q=a&page=two":                        `400 the parameter "page" is "two", which is no whole number`,
		"q=a&Size=256":                        `400 the parameter "Size" is "256", which is not from 0 to 255`,
		"q=a&Size=-1":                         `400 the parameter "Size" is "-1", which is no whole number`,
		"q=a&id=1&id=2147483648":              `400 the parameter "id" is "2147483648", which is not from -2147483648 to 2147483647`,
		"q=a&exact=maybe":                     `400 the parameter "exact" is "maybe", which is neither true nor false`,
		"q=a&score=NaN":                       `400 the parameter "score" is "NaN", which is no number that fits`,
		"q=a&score=1e99":                      `400 the parameter "score" is "1e99", which is no number that fits`,
		"q=a&since=today":                     `400 the parameter "since" is "today", which is no time like 2006-01-02`,
		"q=a&at=today":                        `400 the parameter "at" is "today", which is no time like 2006-01-02T15:04:05Z07:00`,
		"q=a&within=5":                        `400 the parameter "within" is "5", which is no duration like 1h30m or 10s`,
		"q=a&from=here":                       `400 the parameter "from" is "here": ParseAddr("here"): unable to parse IP`,
		"q=%ff":                               `400 the parameter "q" is "\xff", which is not valid UTF-8`,
		"q=a&Ignored=1":                       `400 the parameter "Ignored" is not known`,
		"q=a&x=" + strings.Repeat("y", 50):    `400 the parameter "x" is not known`,
		"q=a;b":                               "400 the query is malformed: invalid semicolon separator in query",
		"q=%zz":                               `400 the query is malformed: invalid URL escape "%zz"`,
		"q=a&page=" + strings.Repeat("9", 50): `400 the parameter "page" is "` + strings.Repeat("9", 40) + `"..., which is not from -9223372036854775808 to 9223372036854775807`,
	} {
		got := host.Do(apptest.Get("/?" + query))
		if text := strings.TrimSuffix(fmt.Sprint(got.Status, " ", string(got.Content)), "\n"); text != want {
			t.Errorf("%s:\n%s\nwant\n%s", query, text, want)
		}
	}
}

func TestTypesThatTextCannotFill(t *testing.T) {
	for want, decode := range map[string]func(){
		"input: int is no struct": func() { _, _ = input.Decode[int](nil) },
		"input: the field A of input_test.unsupported has the type chan int, which text cannot fill":        func() { _, _ = input.Decode[unsupported](nil) },
		"input: the default of the field A of input_test.wrongDefault: is \"x\", which is no whole number":  func() { _, _ = input.Decode[wrongDefault](nil) },
		"input: two fields of input_test.twice are named a":                                                 func() { _, _ = input.Decode[twice](nil) },
		"input: the tag of the field A of input_test.flagged ends in \"omitempty\": only required is known": func() { _, _ = input.Decode[flagged](nil) },
		"input: the field a of input_test.hidden has a tag, but is not exported":                            func() { _, _ = input.Decode[hidden](nil) },
	} {
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("got %v\nwant %s", got, want)
				}
			}()
			decode()
		}()
	}
}

type (
	unsupported  struct{ A chan int }
	wrongDefault struct {
		A int `default:"x"`
	}
	twice struct {
		A int `input:"a"`
		B int `input:"a"`
	}
	flagged struct {
		A int `input:"a,omitempty"`
	}
	hidden struct {
		a int `input:"a"`
	}
)

var _ = hidden{}.a

func TestForm(t *testing.T) {
	type login struct {
		Name string `input:"name,required"`
		Age  int    `input:"age"`
	}
	host := apptest.New(answered(func(r *app.Request) app.Future[login] { return input.Form[login](r, input.Limit(30)) }))
	const mime = "application/x-www-form-urlencoded"
	host.Do(post(mime, "name=A+%C3%A9&age=3&more=1")).Want(t, 200, "{Name:A é Age:3}")
	host.Do(post(mime, "age=3")).Want(t, 422, "the field \"name\" is required\n")
	host.Do(post(mime, "name=A&age=x")).Want(t, 422, "the field \"age\" is \"x\", which is no whole number\n")
	host.Do(post(mime, "name=%")).Want(t, 400, "the form is malformed: invalid URL escape \"%\"\n")
	host.Do(post(mime, "name="+strings.Repeat("a", 30))).Want(t, 413, "the request's content is larger than 30 bytes\n")
	long := apptest.New(answered(func(r *app.Request) app.Future[login] { return input.Form[login](r) }))
	long.Do(post(mime, "name=A&age="+strings.Repeat("1", 70_000))).Want(t, 422, `the field "age" is "`+strings.Repeat("1", 40)+`"..., which is not from -9223372036854775808 to 9223372036854775807`+"\n")
	long.Do(post(mime, strings.Repeat("a=b&", 20_000))).Want(t, 400, "the form is malformed: number of URL query parameters exceeded limit\n")
	host.Do(post("application/json", "{}")).Want(t, 415, "the content is application/json, application/x-www-form-urlencoded is expected\n")
}

func FuzzDecode(f *testing.F) {
	for _, query := range []string{"q=a&page=2", "q=%ff", "q=a&id=1&id=2&at=2026-01-02T03:04:05Z&within=1s&from=::1%25eth0&score=1e3", "q=a&since=2026-13-01", "tag=;"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		s, err := input.Decode[search](values)
		checkFailure(t, err)
		if err == nil && s.Text == "" {
			t.Error("a required value is missing")
		}
	})
}

// The name of a wrong field is data.
func TestFieldErrors(t *testing.T) {
	type item struct {
		Price int `json:"price"`
	}
	type order struct {
		Lines []item `json:"lines" input:"-"`
		Count int    `input:"count"`
	}
	_, ofQuery := input.Decode[order](url.Values{"count": {"x"}})
	_, unknown := input.Decode[order](url.Values{"other": {"x"}}, input.KnownFieldsOnly())
	_, ofJSON := input.DecodeJSON[order]([]byte(`{"lines":[{"price":"x"}]}`))
	_, unknownJSON := input.DecodeJSON[order]([]byte(`{"a b":1}`), input.KnownFieldsOnly())
	for field, err := range map[string]error{"count": ofQuery, "other": unknown, "lines.price": ofJSON, "a b": unknownJSON} {
		wrong, ok := errors.AsType[*input.FieldError](err)
		if !ok || wrong.Field != field || app.ErrorResponse(err).Status != 422 {
			t.Errorf("%s: %v", field, err)
		}
	}
}
