package discovery

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// readLines reads a URL from each line.
func readLines(path string) ([]Source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var endpoints Fixed
	for url := range strings.FieldsSeq(string(text)) {
		if !strings.Contains(url, "://") {
			return nil, errors.New(url + " is no URL")
		}
		endpoints = append(endpoints, Endpoint{URL: url})
	}
	return []Source{endpoints}, nil
}

// The directory is a ConfigMap's: a link to one of several, which is swapped. A faulty file
// leaves what was known in force.
func TestAFileOfPeersIsFollowed(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"one": "http://a", "two": "http://a\nhttp://b", "faulty": "http://a\nb"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o700), os.WriteFile(filepath.Join(dir, name, "peers"), []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(dir, "data")
	lead := func(to string) {
		t.Helper()
		if err := errors.Join(os.Symlink(to, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
	}
	lead("one")
	failures := make(chan error, 100)
	w := watchSource(t, &File{Path: filepath.Join(link, "peers"), Read: readLines, Failed: func(err error) { failures <- err }})
	w.want("http://a")
	lead("faulty")
	if err := <-failures; !strings.Contains(err.Error(), "b is no URL") {
		t.Errorf("got %v", err)
	}
	lead("two")
	w.want("http://a", "http://b")
}
