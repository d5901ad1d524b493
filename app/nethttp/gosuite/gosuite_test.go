package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The generated tests pass against net/http itself: what fails against this server is no fault of the generator.
func TestGeneratedTestsPassAgainstNetHTTP(t *testing.T) {
	ok, err := conform(options{server: "std", processes: 8})
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Error("tests of net/http fail against net/http")
	}
}

// write writes a file to a new directory and returns the directory.
func write(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestServerTestsAreThoseThatReachAServer(t *testing.T) {
	dir := write(t, "a_test.go", `package a_test

func TestDirect(t *testing.T)  { httptest.NewServer(nil) }
func TestThrough(t *testing.T) { run(t, testThrough) }
func testThrough(t *testing.T) { helper{}.start() }

type helper struct{}

func (helper) start() { Serve(nil, nil) }

func TestWithout(t *testing.T) { other() }
func other()                   {}
func Testify()                 { Serve(nil, nil) }
`)
	s, err := readSource(dir, "a_test")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.serverTests(), []string{"TestDirect", "TestThrough"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestHooksComeFirst(t *testing.T) {
	f := hookedFile{dir: "x", hooks: []hook{{"Serve", "func(*Server, int) error"}, {"Stop", "func(*Server)"}}}
	got, err := f.insert([]byte("package x\nfunc (s *Server) Serve(n int) error {\n\treturn nil\n}\nfunc (s *Server) Stop() {\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := "package x\nfunc (s *Server) Serve(n int) error { if hook := GosuiteHooks.Serve; hook != nil { return hook(s, n) };\n\treturn nil\n}\n" +
		"func (s *Server) Stop() { if hook := GosuiteHooks.Stop; hook != nil { hook(s); return };\n}\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if _, err := f.insert([]byte("package x\n")); err == nil {
		t.Error("no error for a method that is missing")
	}
}

func TestExclusions(t *testing.T) {
	dir := write(t, "x.txt", "# comment\n\nTestA | * | text | why\nTestB | h1, h2 | strict | why\n")
	list, err := readExclusions(filepath.Join(dir, "x.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, x := range list {
		names = append(names, x.names()...)
	}
	if want := []string{"TestA", "TestB/h1", "TestB/h2"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	dir = write(t, "x.txt", "TestA | * | text |\n")
	if _, err := readExclusions(filepath.Join(dir, "x.txt")); err == nil || !strings.Contains(err.Error(), "x.txt:1") {
		t.Errorf("without a reason: %v", err)
	}
}

func TestTestsThatComeAndGo(t *testing.T) {
	k := known{"go1.26", []string{"TestA", "TestB"}}
	got := k.differences("go1.27", []string{"TestB", "TestC"})
	want := []string{
		"TestC is new: go1.27 has it and go1.26, the version of tests.txt, has not",
		"TestA is gone: go1.26, the version of tests.txt, has it and go1.27 has not",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// An excluded test that passes is an error, and so is an exclusion of a test that does not exist.
func TestExclusionsAreChecked(t *testing.T) {
	excluded := newResults()
	excluded.get("TestA").outcome = passed
	excluded.get("TestB").outcome = failed
	list := []exclusion{{test: "TestA", line: 1}, {test: "TestB", line: 2}}
	var out strings.Builder
	r := report{out: &out, results: newResults(), excluded: excluded, list: list, options: options{server: "std"}}
	if ok, err := r.write(project{version: "go1.26.0"}); ok || err != nil || !strings.Contains(out.String(), "line 1: TestA passes") {
		t.Errorf("%v, %v: %s", ok, err, &out)
	}
	out.Reset()
	r = report{out: &out, results: newResults(), excluded: newResults(), missing: list[:1], options: options{server: "std"}}
	if ok, err := r.write(project{version: "go1.26.0"}); ok || err != nil || !strings.Contains(out.String(), "no test TestA") {
		t.Errorf("%v, %v: %s", ok, err, &out)
	}
}

func TestModeOf(t *testing.T) {
	for name, want := range map[string]string{"TestA": noMode, "TestA/h2": "h2", "TestA/realnet/https1": "https1", "TestA/x": noMode} {
		if got := modeOf(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
