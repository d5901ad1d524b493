package input_test

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/input"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const formType = "multipart/form-data; boundary=B"

// form returns the content of a form with those parts: head, content, head, content.
func form(parts ...string) string {
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		fmt.Fprintf(&b, "--B\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n", parts[i], parts[i+1])
	}
	return b.String() + "--B--\r\n"
}

const (
	nameHead = `name="name"`
	fileHead = "name=\"f\"; filename=\"../a.txt\"\r\nContent-Type: text/plain"
)

// uploaded answers with the parts of a form.
func uploaded(o input.MultipartOptions) app.Handler {
	return func(r *app.Request) app.Answer {
		return app.Then(input.Multipart(r, o), func(u *input.Upload) app.Answer {
			return app.Blocking(func(w *app.ResponseWriter, _ *app.Request) error {
				fmt.Fprintln(w, u.Values)
				for _, f := range u.Files {
					opened, err := f.Open()
					if err != nil {
						return err
					}
					content, err := io.ReadAll(opened)
					opened.Close()
					fmt.Fprintf(w, "%s %s %s %d %.20q %v\n", f.Name, f.FileName, f.ContentType, f.Size, content, err)
				}
				return nil
			})(r)
		})
	}
}

// names returns the names in a directory.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestMultipart(t *testing.T) {
	dir := t.TempDir()
	host := apptest.New(uploaded(input.MultipartOptions{Dir: dir, Limit: 2000, FileLimit: 100, ValueLimit: 50, Parts: 4}))
	large := strings.Repeat("a", 101)
	for _, c := range []struct {
		contentType, content string
		status               int
		want                 string
	}{
		{formType, form(nameHead, "Ada", fileHead, "hello", nameHead, ""), 200, "map[name:[Ada ]]\nf a.txt text/plain 5 \"hello\" <nil>\n"},
		{formType, form(), 200, "map[]\n"},
		{formType, form("name=\"f\"; filename=\"\"\r\nContent-Type: application/octet-stream", ""), 200, "map[]\n"},
		{formType, form(fileHead, large), 413, "the file \"a.txt\" is larger than 100 bytes\n"},
		{formType, form(nameHead, large), 413, "the fields of the form are larger than 50 bytes\n"},
		{formType, form(nameHead, strings.Repeat("a", 45), nameHead, "b"), 413, "the fields of the form are larger than 50 bytes\n"},
		{formType, form(nameHead, strings.Repeat(large, 20)), 413, "the request's content is larger than 2000 bytes\n"},
		{formType, form(slices.Repeat([]string{nameHead, ""}, 5)...), 413, "the form has more than 4 parts\n"},
		{formType, form(`name="f"; filename=".."`, ""), 400, "the file name \"..\" is a path\n"},
		{formType, form(`name="f"; filename="//"`, ""), 400, "the file name \"/\" is a path\n"},
		{formType, form("x=y", ""), 400, "a part of the form has no name\n"},
		{formType, form(nameHead, "\xff"), 422, "the field \"name\" is not valid UTF-8\n"},
		{formType, "--B\r\nContent-Disposition: form-data; name=a\r\n\r\nx", 400, "the form ends too early\n"},
		{formType, "--B\r\nContent-Disposition", 400, "the form is malformed: malformed MIME header: missing colon: \"Content-Disposition\"\n"},
		{formType, "", 400, "the form ends too early\n"},
		{formType, "--B\r\n:\r\n\r\n", 400, "the form is malformed: malformed MIME header line: \":\"\n"},
		{"multipart/form-data", form(), 400, "the Content-Type has no valid boundary\n"},
		{"multipart/mixed; boundary=B", form(), 415, "the content is multipart/mixed, multipart/form-data is expected\n"},
	} {
		got := host.Do(post(c.contentType, c.content))
		if got.Status != c.status || string(got.Content) != c.want {
			t.Errorf("%.100q:\n%d %swant %d %s", c.content, got.Status, got.Content, c.status, c.want)
		}
		if left := names(t, dir); left != nil {
			t.Errorf("%.100q: %q are left", c.content, left)
		}
	}
}

// The largest number stands for no limit.
func TestUnlimitedMultipart(t *testing.T) {
	o := input.MultipartOptions{Dir: t.TempDir(), Limit: math.MaxInt64, ValueLimit: math.MaxInt64}
	got := apptest.New(uploaded(o)).Do(post(formType, form(nameHead, "Ada", fileHead, "hello")))
	if want := "map[name:[Ada]]\nf a.txt text/plain 5 \"hello\" <nil>\n"; string(got.Content) != want {
		t.Errorf("%d %swant %s", got.Status, got.Content, want)
	}
}

// TestFilesLastAsLongAsTheRequest: they are there while the response is sent, and when it waits for content.
func TestFilesLastAsLongAsTheRequest(t *testing.T) {
	dir := t.TempDir()
	host := apptest.New(uploaded(input.MultipartOptions{Dir: dir}))
	r := post(formType, strings.TrimSuffix(form(fileHead, "hello"), "\r\n--B--\r\n"))
	r.Open = true
	call := host.Do(r)
	if got := names(t, dir); len(got) != 1 || call.Status != 0 {
		t.Fatalf("%q, status %d", got, call.Status)
	}
	call.Leave()
	if got := names(t, dir); got != nil {
		t.Errorf("%q are left behind a peer that has gone", got)
	}
}

func TestKeep(t *testing.T) {
	dir, kept := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	host := apptest.New(func(r *app.Request) app.Answer {
		return app.Then(input.Multipart(r, input.MultipartOptions{Dir: dir}), func(u *input.Upload) app.Answer {
			return app.Blocking(func(w *app.ResponseWriter, _ *app.Request) error {
				f := u.File("f")
				_, err := fmt.Fprint(w, u.File("none") == nil, " ", f.Keep(filepath.Join(dir, "no", "directory")) != nil, f.Keep(kept), f.Keep(kept))
				return err
			})(r)
		})
	})
	host.Do(post(formType, form(fileHead, "hello"))).Want(t, 200, "true true <nil> "+input.ErrFileGone.Error())
	if content, err := os.ReadFile(kept); string(content) != "hello" {
		t.Errorf("%q, %v", content, err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("%q are left", left)
	}
}

func TestEachPart(t *testing.T) {
	host := apptest.New(func(r *app.Request) app.Answer {
		var seen strings.Builder
		done := input.EachPart(r, input.MultipartOptions{}, func(p *input.Part) error {
			if p.Name == "stop" {
				return app.Statusf(409, "stopped")
			}
			b := make([]byte, 2) // the rest is skipped
			n, err := io.ReadFull(p, b)
			fmt.Fprintf(&seen, "%s %v %s %v, ", p.Name, p.IsFile(), b[:n], err)
			return nil
		})
		return app.Map(done, func(app.Done) (*app.Response, error) { return app.Text(200, seen.String()), nil })
	})
	host.Do(post(formType, form(nameHead, "abc", fileHead, strings.Repeat("d", 200_000), nameHead, "e"))).
		Want(t, 200, "name false ab <nil>, f true dd <nil>, name false e unexpected EOF, ")
	host.Do(post(formType, form(nameHead, "abc", `name="stop"`, "x"))).Want(t, 409, "stopped\n")
}

// TestHeadsOfPartsAreBounded: what a peer sends before the content of a part is not collected without end.
func TestHeadsOfPartsAreBounded(t *testing.T) {
	host := apptest.New(uploaded(input.MultipartOptions{Dir: t.TempDir()}))
	for name, content := range map[string]string{
		"one field":      "--B\r\nX: " + strings.Repeat("a", 100_000) + "\r\n\r\n",
		"many fields":    "--B\r\n" + strings.Repeat("X: a\r\n", 20_000) + "\r\n",
		"before a part":  strings.Repeat("a", 100_000) + form(nameHead, "a"),
		"between a part": form(nameHead, "a")[:len(form(nameHead, "a"))-4] + strings.Repeat(" ", 100_000) + form(),
	} {
		if got := host.Do(post(formType, content)); got.Status != 413 && got.Status != 400 {
			t.Errorf("%s: %d %s", name, got.Status, got.Content)
		}
	}
	// The content of parts is not limited by it.
	host.Do(post(formType, form(fileHead, strings.Repeat("a", 300_000), fileHead, strings.Repeat("b", 300_000)))).
		Want(t, 200, "map[]\nf a.txt text/plain 300000 \"aaaaaaaaaaaaaaaaaaaa\" <nil>\nf a.txt text/plain 300000 \"bbbbbbbbbbbbbbbbbbbb\" <nil>\n")
}

func TestFailingDirectory(t *testing.T) {
	host := apptest.New(uploaded(input.MultipartOptions{Dir: filepath.Join(t.TempDir(), "none")}))
	host.Do(post(formType, form(fileHead, "hello"))).Want(t, 500, "Internal Server Error\n")
}

func FuzzMultipart(f *testing.F) {
	for _, content := range []string{form(nameHead, "Ada", fileHead, "hello"), form("x", ""), "--B", "--B\r\n\r\n--B--", "\r\n--B--", form(nameHead, "\xff")} {
		f.Add(content)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, content string) {
		host := apptest.New(uploaded(input.MultipartOptions{Dir: dir, ValueLimit: 100, FileLimit: 100, Parts: 10}))
		if got := host.Do(post(formType, content)); got.Status != 200 && (got.Status < 400 || got.Status > 499) {
			t.Errorf("%d %s", got.Status, got.Content)
		}
		if left := names(t, dir); left != nil {
			t.Errorf("%q are left", left)
		}
	})
}
