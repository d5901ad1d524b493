package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// compile builds the program for an architecture in a directory, unless it is there, and returns its path.
func (r *release) compile(architecture, work string) (binary string, err error) {
	binary = filepath.Join(work, architecture, "gatewheel")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	variables := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.commit=%s -X main.commitDate=%s",
		r.version, r.commit, r.time.Format("2006-01-02"))
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", variables, "-o", binary, "./cmd/gatewheel")
	cmd.Dir = r.tree
	cmd.Env = append(cleanEnvironment(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture)
	return binary, run(cmd)
}

// cleanEnvironment returns the environment without what would change a build.
func cleanEnvironment() []string {
	places := []string{"GOPATH", "GOCACHE", "GOMODCACHE", "GOROOT", "GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN"}
	environment := []string{"GOFLAGS=", "GOWORK=off", "GOENV=off"}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, "GO") && name != "CGO_ENABLED" || slices.Contains(places, name) {
			environment = append(environment, variable)
		}
	}
	return environment
}

// run runs cmd and returns its output with its error.
func run(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, output.Bytes())
	}
	return nil
}

// texts returns what the program prints for its packages, the manual page and the completions, by file name. work is the
// directory of compile.
func (r *release) texts(work string) (map[string][]byte, error) {
	binary, err := r.compile(runtime.GOARCH, work)
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for name, args := range map[string][]string{
		"gatewheel.1":    {"man"},
		"gatewheel.bash": {"completion", "bash"},
		"_gatewheel":     {"completion", "zsh"},
		"gatewheel.fish": {"completion", "fish"},
	} {
		cmd := exec.Command(binary, args...)
		cmd.Env = []string{} // a variable such as GATEWHEEL_LISTEN is no default
		text, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("gatewheel %s: %w", strings.Join(args, " "), err)
		}
		texts[name] = text
	}
	return texts, nil
}
