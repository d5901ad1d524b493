package input_test

import (
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/input"
)

type booking struct {
	Guest  string `json:"guest"`
	Nights int    `json:"nights"`
}

func book(r *app.Request) app.Answer {
	read := input.JSON[booking](r, input.KnownFieldsOnly(), input.Limit(64<<10))
	return app.Map(read, func(b booking) (*app.Response, error) {
		if b.Nights < 1 {
			return nil, app.Statusf(422, `the field "nights" must be at least 1`)
		}
		return app.JSON(201, b), nil
	})
}

func ExampleJSON() {
	host := apptest.New(book)
	for _, content := range []string{`{"guest":"Ada","nights":2}`, `{"guest":"Ada","nights":"two"}`, `{"guest":"Ada","pets":1}`} {
		call := host.Do(apptest.Post("/", "application/json", content))
		fmt.Print(call.Status, " ", string(call.Content))
	}
	// Output:
	// 201 {"guest":"Ada","nights":2}
	// 422 the field "nights" is a JSON string, which is no whole number (line 1, column 29)
	// 422 the field "pets" is not known
}

type filter struct {
	Text  string    `input:"q,required"`
	Page  int       `input:"page" default:"1"`
	Tags  []string  `input:"tag"`
	Since time.Time `input:"since" layout:"2006-01-02"`
}

func find(r *app.Request) (*app.Response, error) {
	f, err := input.Query[filter](r)
	if err != nil {
		return nil, err
	}
	return app.Text(200, fmt.Sprintln(f.Text, f.Page, f.Tags, f.Since.Year())), nil
}

func ExampleQuery() {
	host := apptest.New(app.Sync(find))
	for _, query := range []string{"q=tea&tag=green&tag=black&since=2026-01-01", "q=tea&page=last", ""} {
		call := host.Do(apptest.Get("/?" + query))
		fmt.Print(call.Status, " ", string(call.Content))
	}
	// Output:
	// 200 tea 1 [green black] 2026
	// 400 the parameter "page" is "last", which is no whole number
	// 400 the parameter "q" is required
}

type login struct {
	User     string `input:"user,required"`
	Remember bool   `input:"remember"`
}

func signIn(r *app.Request) app.Answer {
	return app.Map(input.Form[login](r), func(l login) (*app.Response, error) {
		return app.Text(200, fmt.Sprintln(l.User, l.Remember)), nil
	})
}

func ExampleForm() {
	call := apptest.New(signIn).Do(apptest.Post("/", "application/x-www-form-urlencoded", "user=Ada&remember=on"))
	fmt.Print(string(call.Content))
	// Output: Ada true
}

func ExampleDecode() {
	f, err := input.Decode[filter](url.Values{"q": {"tea"}, "page": {"2"}})
	fmt.Println(f.Text, f.Page, err)
	_, err = input.Decode[filter](url.Values{})
	fmt.Println(err)
	// Output:
	// tea 2 <nil>
	// 422 the field "q" is required
}

func upload(r *app.Request) app.Answer {
	options := input.MultipartOptions{Limit: 10 << 20, Dir: "/var/tmp"}
	return app.Map(input.Multipart(r, options), func(form *input.Upload) (*app.Response, error) {
		picture := form.File("picture")
		if picture == nil {
			return nil, app.Statusf(422, `the field "picture" is required`)
		}
		return app.Text(201, fmt.Sprintln(form.Values.Get("title"), picture.FileName, picture.Size)), nil
	})
}

const picture = "--B\r\nContent-Disposition: form-data; name=title\r\n\r\nOur house\r\n" +
	"--B\r\nContent-Disposition: form-data; name=picture; filename=house.jpg\r\n\r\n(a house)\r\n--B--\r\n"

func ExampleMultipart() {
	call := apptest.New(upload).Do(apptest.Post("/", "multipart/form-data; boundary=B", picture))
	fmt.Print(string(call.Content))
	// Output: Our house house.jpg 9
}

// measure reads the files of a form as they arrive, and keeps none.
func measure(r *app.Request) app.Answer {
	size := int64(0)
	read := input.EachPart(r, input.MultipartOptions{}, func(p *input.Part) error {
		if !p.IsFile() {
			return nil
		}
		n, err := io.Copy(io.Discard, p)
		size += n
		return err
	})
	return app.Map(read, func(app.Done) (*app.Response, error) { return app.Text(200, fmt.Sprintln(size, "bytes")), nil })
}

func ExampleEachPart() {
	call := apptest.New(measure).Do(apptest.Post("/", "multipart/form-data; boundary=B", picture))
	fmt.Print(string(call.Content))
	// Output: 9 bytes
}
