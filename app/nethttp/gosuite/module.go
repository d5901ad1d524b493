package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// project is where the tree and the toolchain are.
type project struct {
	root    string // of the repository
	module  string // the directory of this module
	goroot  string
	version string // of Go: go1.26.8
}

// page is the page of the documentation that has the numbers.
func (p project) page() string { return filepath.Join(p.root, "docs", "nethttp.md") }

func findProject() (project, error) {
	out, err := exec.Command("go", "env", "GOMOD", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return project{}, fmt.Errorf("go env: %w", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 3 || filepath.Base(filepath.Dir(lines[0])) != "gosuite" {
		return project{}, fmt.Errorf("it must run in the directory of its module, app/nethttp/gosuite")
	}
	dir := filepath.Dir(lines[0])
	return project{
		root: filepath.Join(dir, "..", "..", ".."), module: dir, goroot: lines[1], version: lines[2],
	}, nil
}

// testModule and testPath are the paths of the temporary module and of the package in it.
const (
	testModule = "gosuite.test"
	testPath   = testModule + "/nethttp"
)

// generated is a temporary module with the tests of one package.
type generated struct {
	dir     string
	overlay string
	tests   []string // that start a server
}

// generate writes the module to dir.
func (p project) generate(dir, server string) (*generated, error) {
	s, err := readSource(filepath.Join(p.goroot, "src", "net", "http"), "http_test")
	if err != nil {
		return nil, err
	}
	pkg := filepath.Join(dir, "nethttp")
	if err := os.MkdirAll(pkg, 0o755); err != nil {
		return nil, err
	}
	o := &overlay{goroot: p.goroot, dir: filepath.Join(dir, "overlay"), files: map[string]string{}}
	for _, f := range nethttpHooks(p.goroot) {
		if err := o.hook(f); err != nil {
			return nil, err
		}
	}
	if err := o.exportInternals(s.dir, "http", []string{"export_test.go"}); err != nil {
		return nil, err
	}
	in := internals{}
	for _, f := range s.files {
		instead := map[string]string{}
		if server != "std" {
			instead = realTime
		}
		edits := append(in.collect(s, f, instead), withImports(s, f, instead)...)
		edits = append(edits, renamePackage(s, f, testPath)...)
		if err := os.WriteFile(filepath.Join(pkg, f.name), apply(f.text, edits), 0o644); err != nil {
			return nil, err
		}
	}
	if err := in.write(o); err != nil {
		return nil, err
	}
	path, err := o.write()
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(filepath.Join(s.dir, "testdata"), filepath.Join(pkg, "testdata")); err != nil && !os.IsExist(err) {
		return nil, err
	}
	if server != "std" {
		if err := os.WriteFile(filepath.Join(pkg, "gosuite_test.go"), []byte(installHooks), 0o644); err != nil {
			return nil, err
		}
	}
	return &generated{dir: dir, overlay: path, tests: s.serverTests()}, p.writeModuleFile(dir)
}

// installHooks is the file of the generated package that puts the servers of package shim in place.
const installHooks = `package http_test

import (
	"net/http"
	"net/http/httptest"

	"github.com/gatewheel/gatewheel/app/nethttp/gosuite/shim"
)

func init() {
	shim.Serving = http.GosuiteServing
	shim.OnShutdown = http.GosuiteOnShutdown
	http.GosuiteHooks.Serve = shim.Serve
	http.GosuiteHooks.Shutdown = shim.Shutdown
	http.GosuiteHooks.Close = shim.Close
	httptest.GosuiteHooks.CloseClientConnections = shim.CloseClientConnections
	http.GosuiteHooks.SetKeepAlivesEnabled = shim.SetKeepAlivesEnabled
}
`

var moduleLine = regexp.MustCompile(`(?m)^module .*$`)

// writeModuleFile writes a go.mod with the requirements of this module, and with this tree in place of its modules.
func (p project) writeModuleFile(dir string) error {
	const own = "github.com/gatewheel/gatewheel"
	text, err := os.ReadFile(filepath.Join(p.module, "go.mod"))
	if err != nil {
		return err
	}
	text = moduleLine.ReplaceAll(text, []byte("module "+testModule))
	text = regexp.MustCompile(`(?m)^replace .*$`).ReplaceAll(text, nil)
	text = fmt.Appendf(text, "\nrequire %s/app/nethttp/gosuite v0.0.0\n\nreplace %s => %s\n\nreplace %s/app/nethttp/gosuite => %s\n",
		own, own, p.root, own, p.module)
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), text, 0o644); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(p.module, "go.sum"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644)
}

// build compiles the tests and returns the path of the program.
func (g *generated) build() (string, error) {
	binary := filepath.Join(g.dir, "nethttp.test")
	cmd := exec.Command("go", "test", "-c", "-mod=mod", "-vet=off", "-overlay", g.overlay, "-o", binary, "./nethttp")
	cmd.Dir = g.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("the generated tests do not compile: %w\n%s", err, out)
	}
	return binary, nil
}
