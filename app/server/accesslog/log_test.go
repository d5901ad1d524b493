//go:build linux

package accesslog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// patience bounds every wait. It bounds a failure, not a success.
const patience = 30 * time.Second

// rig is a Log under test with one loop.
type rig struct {
	t    *testing.T
	log  *Log
	lane *lane
	told *observer.ObservedLogs
	zap  *zap.Logger
}

func open(t *testing.T, o Options) *rig {
	t.Helper()
	core, told := observer.New(zapcore.DebugLevel)
	o.Logger = logqueue.Wrap(zap.New(core))
	if o.Format == "" {
		o.Format = "%s"
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &rig{t, l, l.Loop(0).(*lane), told, o.Logger}
}

// request logs a line with that status.
func (g *rig) request(status int) {
	r, rec := sample()
	rec.Status = status
	g.lane.Finished(r, rec)
}

// flush waits for the lines so far.
func (g *rig) flush() {
	g.t.Helper()
	if !g.log.Flush(patience) {
		g.t.Fatal("the lines are not written")
	}
}

// says waits until the server's log has a line with that text.
func (g *rig) says(text string) {
	g.t.Helper()
	await(g.t, "the log says "+text, func() bool {
		logqueue.Flush(g.zap, patience)
		for _, e := range g.told.All() {
			if strings.Contains(e.Message, text) {
				return true
			}
		}
		return false
	})
}

// await waits until done reports true.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never comes about that %s", what)
		}
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// TestIdleLoopsLines: the lines of a loop that does nothing more appear by themselves.
func TestIdleLoopsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	g := open(t, Options{Target: path})
	g.request(200)
	await(t, "the line is written", func() bool { return content(t, path) == "200\n" })
	g.request(201)
	await(t, "the next line is written", func() bool { return content(t, path) == "200\n201\n" })
}

func TestCloseWritesTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	g := open(t, Options{Target: path})
	other := g.log.Loop(1).(*lane)
	g.request(200)
	r, rec := sample()
	other.Finished(r, rec)
	if err := g.log.Close(); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "200\n200\n" {
		t.Errorf("the file has %q", got)
	}
	if !g.log.Flush(patience) || (*Log)(nil).Close() != nil || (*Log)(nil).Dropped() != 0 {
		t.Error("a closed log")
	}
}

// TestFileIsOpenedAgain: after a rename on request, after a rename and a deletion by itself.
func TestFileIsOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	path, old := filepath.Join(dir, "log"), filepath.Join(dir, "old")
	g := open(t, Options{Target: path})
	rename := func() {
		if err := os.Rename(path, old); err != nil {
			t.Fatal(err)
		}
	}
	g.request(200)
	g.flush()
	rename()
	g.log.Reopen()
	await(t, "the file is there", func() bool { _, err := os.Stat(path); return err == nil })
	g.request(201)
	g.flush()
	if content(t, old) != "200\n" || content(t, path) != "201\n" {
		t.Errorf("the old file has %q, the new one %q", content(t, old), content(t, path))
	}
	for _, move := range []func(){rename, func() { _ = os.Remove(path) }} {
		move()
		await(t, "a line is in the new file", func() bool {
			g.request(202)
			g.flush()
			return strings.HasSuffix(content(t, path), "202\n")
		})
	}
	if g.log.Dropped() != 0 {
		t.Errorf("%d lines are lost", g.log.Dropped())
	}
}

// TestDirectoryThatIsGone: lines go on into the open file, and the log is told once.
func TestDirectoryThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	g := open(t, Options{Target: filepath.Join(dir, "log")})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	g.log.Reopen()
	g.says("cannot be opened again")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	await(t, "the file is made again", func() bool {
		g.request(200)
		g.flush()
		return content(t, filepath.Join(dir, "log")) != ""
	})
	if n := g.told.FilterMessageSnippet("cannot be opened").Len(); n != 1 {
		t.Errorf("the log was told %d times", n)
	}
}

// TestFullDisk: lines are dropped and counted, and the log is told once.
func TestFullDisk(t *testing.T) {
	g := open(t, Options{Target: "/dev/full"})
	for range 3 {
		g.request(200)
		g.flush()
	}
	g.says("cannot be written")
	if n := g.told.FilterMessageSnippet("cannot be written").Len(); n != 1 || g.log.Dropped() != 3 {
		t.Errorf("the log was told %d times, %d lines are lost", n, g.log.Dropped())
	}
}

// fifo makes a named pipe.
func fifo(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openReader opens the reading end of a named pipe without waiting for a writer.
func openReader(t *testing.T, path string) *os.File {
	t.Helper()
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// TestPipeWithoutReader: a reader that comes late, leaves and comes back gets whole lines; the others are counted.
func TestPipeWithoutReader(t *testing.T) {
	path := fifo(t)
	g := open(t, Options{Target: path})
	g.request(200)
	g.flush()
	if g.log.Dropped() != 1 {
		t.Errorf("%d lines are lost before there is a reader", g.log.Dropped())
	}
	for range 2 {
		r := openReader(t, path)
		p := make([]byte, 1<<10)
		n := 0
		await(t, "the reader gets lines", func() bool {
			g.request(201)
			g.flush()
			n, _ = r.Read(p)
			return n > 0
		})
		if got := string(p[:n]); strings.Trim(got, "201\n") != "" || !strings.HasPrefix(got, "201\n") || !strings.HasSuffix(got, "201\n") {
			t.Errorf("the reader gets %q", got)
		}
		_ = r.Close()
		before := g.log.Dropped()
		g.request(202)
		g.flush()
		if g.log.Dropped() != before+1 {
			t.Error("a line into a closed pipe is not counted")
		}
	}
	g.says("lines of the access log were dropped")
}

// TestPipeWhoseReaderLeavesWithinALine: the next reader gets no line that begins within another.
func TestPipeWhoseReaderLeavesWithinALine(t *testing.T) {
	const capacity = 4096
	path := fifo(t)
	r := openReader(t, path)
	fd := int(r.Fd())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, capacity); err != nil {
		t.Fatal(err)
	}
	g := open(t, Options{Target: path, Format: "line " + strings.Repeat("%{User-Agent}i ", 250)})
	for range 3 {
		g.request(200)
	}
	await(t, "the pipe is full", func() bool { n, err := unix.IoctlGetInt(fd, unix.TIOCINQ); return err == nil && n == capacity })
	_ = r.Close()
	await(t, "the lines are dropped", func() bool { return g.log.Dropped() == 2 })
	r = openReader(t, path)
	var all strings.Builder
	p := make([]byte, 1<<16)
	await(t, "lines come again", func() bool {
		g.request(200)
		n, _ := r.Read(p)
		all.Write(p[:n])
		return strings.Count(all.String(), "\n") > 4
	})
	for line := range strings.Lines(all.String()) {
		if line != "\n" && !strings.HasPrefix(line, "line ") {
			t.Errorf("the line %.60q... begins within another", line)
		}
	}
}

// TestPipeThatIsNotRead: the queue fills, lines are dropped whole and counted; Flush and Close end in time. What the
// reader gets in the end are whole lines.
func TestPipeThatIsNotRead(t *testing.T) {
	path := fifo(t)
	r := openReader(t, path)
	g := open(t, Options{Target: path, Queue: 64 << 10, Format: "%{conn}x line of the log"})
	lines := uint64(0)
	request := func() {
		r, rec := sample()
		lines++
		rec.Conn.Number = lines
		g.lane.Finished(r, rec)
	}
	await(t, "lines are dropped", func() bool {
		for range 1000 {
			request()
		}
		return g.log.Dropped() > 0
	})
	if g.log.Flush(time.Millisecond) {
		t.Error("Flush claims to have written what nobody reads")
	}
	g.says("waits for its target")

	var read atomic.Pointer[string]
	go func() {
		var all []byte
		p := make([]byte, 1<<16)
		for {
			n, err := r.Read(p)
			all = append(all, p[:n]...)
			text := string(all)
			read.Store(&text)
			if err != nil {
				return
			}
		}
	}()
	g.flush()
	dropped := g.log.Dropped()
	await(t, "the reader has every other line", func() bool {
		text := read.Load()
		return text != nil && uint64(strings.Count(*text, "\n")) == lines-dropped
	})
	last := uint64(0)
	for line := range strings.Lines(*read.Load()) {
		var n uint64
		if _, err := fmt.Sscanf(line, "%d line of the log\n", &n); err != nil || n <= last {
			t.Fatalf("the line %q after %d: %v", line, last, err)
		}
		last = n
	}
}

// TestCloseDoesNotWaitForAReader: Close ends in time, and says so.
func TestCloseDoesNotWaitForAReader(t *testing.T) {
	path := fifo(t)
	openReader(t, path)
	g := open(t, Options{Target: path})
	await(t, "lines are dropped", func() bool {
		for range 1000 {
			g.request(200)
		}
		return g.log.Dropped() > 0
	})
	if err := g.log.Close(); !errors.Is(err, ErrTimeout) {
		t.Errorf("Close returns %v", err)
	}
}

// TestRotation: files of the size are renamed with whole lines, and so many are kept.
func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "access.log")
	g := open(t, Options{Target: path, MaxSize: 1, MaxFiles: 2, Format: strings.Repeat("%{User-Agent}i ", 250)})
	const lines = 1600 // of 2.2 KB: more than three files
	for i := range lines {
		g.request(200)
		if i%50 == 0 {
			g.flush()
		}
	}
	if err := g.log.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "old files are deleted", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "access*.log"))
		return len(files) == 3
	})
	files, _ := filepath.Glob(filepath.Join(dir, "access*.log"))
	for _, name := range files {
		text := content(t, name)
		if len(text) > mebibyte || !strings.HasPrefix(text, "curl") || !strings.HasSuffix(text, "\n") {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
	if g.log.Dropped() != 0 {
		t.Errorf("%d lines are lost", g.log.Dropped())
	}
}

func TestTargetsThatCannotBe(t *testing.T) {
	for _, o := range []Options{
		{}, {Target: "/nowhere/log"}, {Target: t.TempDir()}, {Target: "stdout", MaxSize: 1}, {Target: "/dev/null", MaxSize: 1},
		{Target: "/nowhere/log", MaxSize: 1}, {Target: "/dev/null", Format: "%y"}, {Target: "/dev/null", Skip: []string{"x"}},
	} {
		if l, err := Open(o); err == nil {
			_ = l.Close()
			t.Errorf("%+v is accepted", o)
		}
	}
}
