// Package deploy_test checks the files of deploy: by the tools and types of those who read them, against each other, and
// against the program.
package deploy_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds a failure, not a success.
const patience = 30 * time.Second

// root is the folder of the main module.
const root = "../.."

// gatewheel is the program, which TestMain builds as the Dockerfile does.
var gatewheel string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	directory, err := os.MkdirTemp("", "deploy")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(directory) }()
	gatewheel = filepath.Join(directory, "gatewheel")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", gatewheel, "./cmd/gatewheel")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// help returns what `gatewheel COMMAND --help` prints. args come before --help: one that is no flag of the command is an
// error.
func help(t *testing.T, command string, args ...string) string {
	t.Helper()
	out, err := exec.Command(gatewheel, append(append([]string{command}, args...), "--help")...).CombinedOutput()
	if err != nil {
		t.Fatalf("gatewheel %s %q --help: %v\n%s", command, args, err, out)
	}
	return string(out)
}

// wantVariables checks that each environment variable stands for a flag of the command.
func wantVariables(t *testing.T, command string, names ...string) {
	t.Helper()
	text := help(t, command)
	for _, name := range names {
		flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "GATEWHEEL_"), "_", "-"))
		if !regexp.MustCompile(`(?m)^ +` + flag + `[ =]`).MatchString(text) {
			t.Errorf("%s stands for no flag of gatewheel %s", name, command)
		}
	}
}

// process is a running server.
type process struct {
	t        *testing.T
	command  *exec.Cmd
	admin    string // the URL of an admin listener on all addresses, or ""
	messages chan string
}

var adminURL = regexp.MustCompile(`admin listener.*"url": ?"http://\[::\](:[0-9]+)"`)

// noBackend is the warning about the backend of a gateway's file, which no test has.
const noBackend = "look-up failed"

// start runs the program until the test ends, and waits until it listens. It must warn of nothing but noBackend.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return launch(t, env, exec.Command(gatewheel, args...))
}

// launch is start for a command that becomes the program.
func launch(t *testing.T, env []string, command *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, command: command, messages: make(chan string, 1000)}
	p.command.Env = append(os.Environ(), env...)
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := p.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		for range p.messages {
		}
	})
	go func() {
		for scanner := bufio.NewScanner(pipe); scanner.Scan(); {
			p.messages <- scanner.Text()
		}
		close(p.messages)
	}()
	for !strings.Contains(p.line(), "listening") {
	}
	return p
}

// line returns the next line of the log.
func (p *process) line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.messages:
		if !ok {
			p.t.Fatalf("%q has ended: %v", p.command.Args, p.command.Wait())
		}
		if (strings.Contains(line, "warn") || strings.Contains(line, "error")) && !strings.Contains(line, noBackend) {
			p.t.Errorf("%q logs %s", p.command.Args, line)
		}
		if m := adminURL.FindStringSubmatch(line); m != nil {
			p.admin = "http://127.0.0.1" + m[1]
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("%q logs nothing", p.command.Args)
	}
	return ""
}

// get returns the status of a path of the admin listener, asked for by the address of a Pod.
func (p *process) get(path string) int {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.admin+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	request.Host = "10.1.2.3:9090"
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// stop ends the server as a container's manager does.
func (p *process) stop() {
	p.t.Helper()
	http.DefaultClient.CloseIdleConnections()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	for {
		select {
		case _, ok := <-p.messages:
			if ok {
				continue
			}
		case <-time.After(patience):
			p.t.Fatal("the server does not end")
		}
		break
	}
	if err := p.command.Wait(); err != nil {
		p.t.Errorf("the server ends with %v", err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
