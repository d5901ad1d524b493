package filewatch

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write writes a file, whose directory is made if it is missing.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Files other than those that are watched, such as logs, count for nothing; links on the way do.
func TestWhatMatters(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "first", "x"), "")
	write(t, filepath.Join(dir, "elsewhere", "y"), "")
	for link, target := range map[string]string{"live": "first", "elsewhere/live": "../live"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	w := &Watch{Files: []string{filepath.Join(dir, "elsewhere", "live", "x")}, Changed: func() {}, Failed: func(error) {}}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for name, want := range map[string]bool{
		"elsewhere/live": true,
		"live":           true,
		"first/x":        true,
		"first":          true,
		"first/log":      false,
		"elsewhere/y":    false,
		"other":          false,
	} {
		if got := w.decisive[filepath.Join(dir, name)]; got != want {
			t.Errorf("a change of %s counts: %v, want %v", name, got, want)
		}
	}
}

// A ConfigMap is a link to a directory, which is swapped.
func TestASwappedLinkIsAChange(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "one", "x"), "1")
	write(t, filepath.Join(dir, "two", "x"), "2")
	link := filepath.Join(dir, "data")
	if err := os.Symlink("one", link); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 16)
	path := filepath.Join(link, "x")
	w := &Watch{Files: []string{path}, Failed: func(err error) { t.Error(err) }, Changed: func() {
		content, _ := os.ReadFile(path)
		read <- string(content)
	}}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := os.Symlink("two", link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(30 * time.Second); ; {
		select {
		case got := <-read:
			if got == "2" {
				return
			}
		case <-deadline:
			t.Fatal("the swap was not told")
		}
	}
}
