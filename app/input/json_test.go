package input_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/input"
)

type order struct {
	Item  string    `json:"item"`
	Count int8      `json:"count"`
	Lines []line    `json:"lines"`
	Due   time.Time `json:"due"`
}

type line struct {
	Price float64 `json:"price"`
}

// answered is a handler that answers with the value, as Go prints it.
func answered[T any](read func(*app.Request) app.Future[T]) app.Handler {
	return func(r *app.Request) app.Answer {
		return app.Map(read(r), func(v T) (*app.Response, error) { return app.Text(200, fmt.Sprintf("%+v", v)), nil })
	}
}

func post(contentType, content string, fields ...string) *apptest.Request {
	r := apptest.Post("/", contentType, content)
	r.Fields = append(r.Fields, apptest.Get("/", fields...).Fields...)
	return r
}

func TestJSON(t *testing.T) {
	host := apptest.New(answered(func(r *app.Request) app.Future[order] {
		return input.JSON[order](r, input.KnownFieldsOnly(), input.Limit(100))
	}))
	const mime = "application/json"
	for _, c := range []struct {
		contentType, content string
		status               int
		want                 string
	}{
		{mime, `{"item":"tea","count":3}`, 200, "{Item:tea Count:3 Lines:[] Due:0001-01-01 00:00:00 +0000 UTC}"},
		{"Application/JSON; charset=UTF-8", "\n{\"item\":\"tea\"}\n\t ", 200, "{Item:tea Count:0 Lines:[] Due:0001-01-01 00:00:00 +0000 UTC}"},
		{"application/merge-patch+json", `{}`, 200, "{Item: Count:0 Lines:[] Due:0001-01-01 00:00:00 +0000 UTC}"},
		{mime, "", 400, "the content is empty, JSON is expected\n"},
		{mime, " \n", 400, "the content is empty, JSON is expected\n"},
		{mime, "{\n \"item\": tea}", 400, "the content is not valid JSON at line 2, column 11: invalid character 'e' in literal true (expecting 'r')\n"},
		{mime, `{"item":`, 400, "the content is not valid JSON: it ends too early\n"},
		{mime, "{} {}", 400, "the content has more than one JSON value: the second begins at line 1, column 4\n"},
		{mime, "{}x", 400, "the content has more than one JSON value: the second begins at line 1, column 3\n"},
		{mime, "{\"item\":\"t\xff\"}", 400, "the content is not valid UTF-8 at line 1, column 11\n"},
		{mime, `{"count":"three"}`, 422, "the field \"count\" is a JSON string, which is no whole number (line 1, column 16)\n"},
		{mime, `{"count":300}`, 422, "the field \"count\" is a JSON number 300, which is no whole number from -128 to 127 (line 1, column 12)\n"},
		{mime, `{"count":1.5}`, 422, "the field \"count\" is a JSON number 1.5, which is no whole number from -128 to 127 (line 1, column 12)\n"},
		{mime, `{"lines":[{"price":1},{"price":"2"}]}`, 422, "the field \"lines.price\" is a JSON string, which is no number that fits (line 1, column 34)\n"},
		{mime, `[]`, 422, "the content is a JSON array, which is no object (line 1, column 1)\n"},
		{mime, `{"colour":1}`, 422, "the field \"colour\" is not known\n"},
		{mime, `{"item":"` + strings.Repeat("a", 100) + `"}`, 413, "the request's content is larger than 100 bytes\n"},
		{"text/plain", `{}`, 415, "the content is text/plain, application/json is expected\n"},
		{"", `{}`, 415, "the content has no Content-Type, application/json is expected\n"},
		{"application", `{}`, 415, "the content is application, application/json is expected\n"},
		{"application/json; charset", `{}`, 415, "the Content-Type is malformed\n"},
		{"application/json; charset=latin1", `{}`, 415, "the charset is latin1, utf-8 is expected\n"},
	} {
		got := host.Do(post(c.contentType, c.content))
		if got.Status != c.status || string(got.Content) != c.want {
			t.Errorf("%s %s:\n%d %swant %d %s", c.contentType, c.content, got.Status, got.Content, c.status, c.want)
		}
	}
	if got := host.Do(post(mime, `{"due":"tomorrow"}`)); got.Status != 422 || !strings.Contains(string(got.Content), "tomorrow") {
		t.Errorf("%d %s", got.Status, got.Content)
	}
	got := host.Do(post(mime, "{}", "Content-Encoding", "gzip"))
	got.Want(t, 415, "the content is encoded with gzip\n")
	if coding := got.Header.Get("Accept-Encoding"); coding != "identity" {
		t.Errorf("Accept-Encoding: %q", coding)
	}
	if accept := host.Do(post("text/html", "{}")).Header.Get("Accept"); accept != "application/json" {
		t.Errorf("Accept: %q", accept)
	}
}

// TestMessagesAreShort: a message does not repeat long content.
func TestMessagesAreShort(t *testing.T) {
	long := strings.Repeat("1", 10_000)
	for _, content := range []string{`{"count":` + long + `}`, `{"` + long + `":1}`, `{"due":"` + long + `"}`} {
		_, err := input.DecodeJSON[order]([]byte(content), input.KnownFieldsOnly())
		status, ok := errors.AsType[*app.StatusError](err)
		if !ok || status.Status != 422 || len(status.Message) > 400 {
			t.Errorf("%.300v", err)
		}
	}
}

func TestJSONWithUnknownFields(t *testing.T) {
	host := apptest.New(answered(func(r *app.Request) app.Future[line] { return input.JSON[line](r) }))
	host.Do(post("application/json", `{"colour":1,"price":2}`)).Want(t, 200, "{Price:2}")
}

// TestJSONWaits: content arrives in parts.
func TestJSONWaits(t *testing.T) {
	host := apptest.New(answered(func(r *app.Request) app.Future[line] { return input.JSON[line](r) }))
	r := post("application/json", `{"pri`)
	r.Open = true
	call := host.Do(r)
	if call.Status != 0 {
		t.Fatalf("%d before the end of the content", call.Status)
	}
	call.Send(`ce":1}`)
	call.End()
	call.Want(t, 200, "{Price:1}")
}

// TestLongJSONIsDecodedOnThePool.
func TestLongJSONIsDecodedOnThePool(t *testing.T) {
	host := apptest.New(answered(func(r *app.Request) app.Future[int] {
		return app.Map(input.JSON[[]int](r), func(all []int) (int, error) { return len(all), nil })
	}))
	host.Do(post("application/json", "["+strings.Repeat("1,", 60_000)+"1]")).Want(t, 200, "60001")
}

// picky is a type that refuses all text with a failure of its own.
type picky struct{}

func (*picky) UnmarshalJSON([]byte) error { return app.Statusf(409, "not now") }

func TestJSONOfTypesWithOwnFailures(t *testing.T) {
	_, err := input.DecodeJSON[picky]([]byte(`1`))
	if status, ok := errors.AsType[*app.StatusError](err); !ok || status.Status != 409 {
		t.Errorf("%v", err)
	}
}

func FuzzJSON(f *testing.F) {
	for _, content := range []string{`{"item":"a","count":1,"lines":[{"price":1e3}],"due":"2026-01-02T03:04:05Z"}`, `{"a":`, "[1]", "\xff", "{} x", `{"count":1e99}`} {
		f.Add([]byte(content), true)
		f.Add([]byte(content), false)
	}
	f.Fuzz(func(t *testing.T, content []byte, known bool) {
		var given []input.Option
		if known {
			given = append(given, input.KnownFieldsOnly())
		}
		first, err := input.DecodeJSON[order](content, given...)
		checkFailure(t, err)
		again, _ := input.DecodeJSON[order](content, given...)
		if !reflect.DeepEqual(first, again) {
			t.Errorf("%+v, then %+v", first, again)
		}
	})
}

// checkFailure checks that an error is one of the peer's.
func checkFailure(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	status, ok := errors.AsType[*app.StatusError](err)
	if !ok || status.Status < 400 || status.Status > 499 || status.Message == "" {
		t.Errorf("%#v", err)
	}
}
