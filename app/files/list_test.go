package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

func TestAListSaysWhenItIsCut(t *testing.T) {
	dir := t.TempDir()
	page := func(hidden bool, most int) (names []string, rest string) {
		open, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		l := list{
			dir: open, limit: most,
			shows:  func(name string) bool { return hidden || name[0] != '.' },
			target: func(name string) (fs.FileInfo, error) { return os.Stat(filepath.Join(dir, name)) },
		}
		resp, err := l.page()
		if err != nil {
			t.Fatal(err)
		}
		text := string(resp.Content.(app.Bytes))
		for _, m := range regexp.MustCompile(`<li><a href="([^"]*)">([^<]*)</a></li>`).FindAllStringSubmatch(text, -1) {
			names = append(names, m[1]+" "+m[2])
		}
		_, rest, _ = strings.Cut(text, "</ul>\n")
		return names, rest
	}
	for _, name := range []string{"b", "a&<>\"'", ".c", "a:b", "10%", "dir/x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := "./10%25 10%|./a&amp;%3C%3E%22%27 a&amp;&lt;&gt;&#34;&#39;|./a:b a:b|./b b|./dir/ dir/"
	if names, rest := page(false, 6); strings.Join(names, "|") != want || rest != "" {
		t.Errorf("got %q, then %q", names, rest)
	}
	const cut = "<p>The directory has more entries than the 5 that were read.</p>\n"
	if names, rest := page(true, 5); len(names) != 5 || rest != cut {
		t.Errorf("got %q, then %q", names, rest)
	}
	if names, rest := page(true, 6); len(names) != 6 || rest != "" {
		t.Errorf("got %q, then %q", names, rest)
	}
}
