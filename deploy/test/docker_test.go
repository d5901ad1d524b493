package deploy_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

const dockerfile = "../docker/Dockerfile"

// stages returns the stages of the Dockerfile, parsed as Docker does it.
func stages(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := os.Open(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("Dockerfile: %s", w.Short)
	}
	all, _, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestImage: the last stage has nothing but the program, which an unprivileged user runs.
func TestImage(t *testing.T) {
	all := stages(t)
	last := all[len(all)-1]
	if last.BaseName != "scratch" {
		t.Errorf("the image is made from %s", last.BaseName)
	}
	got := map[string]string{}
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			got["user"] = c.User
		case *instructions.StopSignalCommand:
			got["signal"] = c.Signal
		case *instructions.ExposeCommand:
			got["port"] = strings.Join(c.Ports, " ")
		case *instructions.EntrypointCommand:
			if c.PrependShell {
				t.Error("the entry point needs a shell")
			}
			got["entry"] = strings.Join(c.CmdLine, " ")
		case *instructions.CmdCommand:
			if c.PrependShell {
				t.Error("the command needs a shell")
			}
			got["command"] = strings.Join(c.CmdLine, " ")
		case *instructions.CopyCommand:
			if c.From != all[0].Name {
				t.Errorf("%s is copied from %q", c.SourcePaths, c.From)
			}
		case *instructions.EnvCommand:
			for _, v := range c.Env {
				wantVariables(t, "serve", v.Key)
				wantVariables(t, "gateway", v.Key)
				got[v.Key] = v.Value
			}
		}
	}
	for key, want := range map[string]string{
		"user": "65532:65532", "signal": "SIGTERM", "port": "8080", "entry": "/usr/bin/gatewheel", "command": "serve", "GATEWHEEL_LISTEN": ":8080",
	} {
		if got[key] != want {
			t.Errorf("%s of the image: %q, want %q", key, got[key], want)
		}
	}
}

// TestImageIsBuiltAsByMake: with the same flags, so that the program is the same and needs no library.
func TestImageIsBuiltAsByMake(t *testing.T) {
	var build string
	for _, c := range stages(t)[0].Commands {
		if run, ok := c.(*instructions.RunCommand); ok && strings.Contains(strings.Join(run.CmdLine, " "), "go build") {
			build = strings.Join(run.CmdLine, " ")
		}
	}
	for _, part := range []string{"CGO_ENABLED=0", "-trimpath", "-ldflags", "-s -w -X main.version=", "./cmd/gatewheel"} {
		if !strings.Contains(build, part) {
			t.Errorf("the image is built without %s: %s", part, build)
		}
		if !strings.Contains(read(t, root+"/Makefile"), part) {
			t.Errorf("make builds without %s", part)
		}
	}
	program, err := elf.Open(gatewheel)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }()
	if slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the program needs a dynamic linker")
	}
}

// TestBuildContextHasThePackages: each folder of the main module that the program is made of is sent to the builder.
func TestBuildContextHasThePackages(t *testing.T) {
	ignored := read(t, dockerfile+".dockerignore")
	for _, folder := range folders(t) {
		if !strings.Contains(ignored, "\n!"+folder+"\n") {
			t.Errorf("the builder lacks %s", folder)
		}
	}
	for line := range strings.Lines(ignored) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "!"); ok {
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("the builder gets %s: %v", name, err)
			}
		}
	}
}

// folders returns the top-level folders with packages that the program is made of.
func folders(t *testing.T) []string {
	t.Helper()
	const module = "github.com/gatewheel/gatewheel/"
	list := exec.Command("go", "list", "-deps", "./cmd/gatewheel")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), module); ok {
			folder, _, _ := strings.Cut(name, "/")
			all = append(all, folder)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
