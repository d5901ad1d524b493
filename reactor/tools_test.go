//go:build linux

package reactor

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// toolPath finds a program that a test cannot do without.
func toolPath(t testing.TB, program, debianPackage string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") {
		if path := filepath.Join(dir, program); exec.Command("test", "-x", path).Run() == nil {
			return path
		}
	}
	t.Fatalf("%s is not installed: apt-get install %s", program, debianPackage)
	return ""
}

// A dialogue is a program that a test talks to.
type dialogue struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan error

	mu   sync.Mutex
	said bytes.Buffer
	more chan struct{}
}

// talk starts a program whose output, of both kinds, is listened to. It is killed at the test's end
// if it has not left by then.
func talk(t testing.TB, cmd *exec.Cmd) *dialogue {
	t.Helper()
	d := &dialogue{t: t, cmd: cmd, done: make(chan error, 1), more: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = d, d
	var err error
	if d.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		d.done <- cmd.Wait()
		close(d.done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		for range d.done {
		}
	})
	return d
}

// Write takes what the program says.
func (d *dialogue) Write(p []byte) (int, error) {
	d.mu.Lock()
	d.said.Write(p)
	d.mu.Unlock()
	select {
	case d.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (d *dialogue) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.said.String()
}

func (d *dialogue) say(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d.stdin, text); err != nil {
		d.t.Fatalf("%v after it said:\n%s", err, d.text())
	}
}

// want waits until the program has said text.
func (d *dialogue) want(text string) {
	d.t.Helper()
	d.wantTimes(text, 1)
}

// wantTimes waits until the program has said text so many times.
func (d *dialogue) wantTimes(text string, times int) {
	d.t.Helper()
	late := time.After(patience)
	for strings.Count(d.text(), text) < times {
		select {
		case <-d.more:
		case <-d.done:
			if strings.Count(d.text(), text) < times {
				d.t.Fatalf("want %q, but it ended having said:\n%s", text, d.text())
			}
		case <-late:
			d.t.Fatalf("want %q, have:\n%s", text, d.text())
		}
	}
}

// wantEnd waits for the program's end.
func (d *dialogue) wantEnd() {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatalf("it does not end, having said:\n%s", d.text())
	}
}
