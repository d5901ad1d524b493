//go:build linux

package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is the time limit of every wait. It bounds a failure, not a success.
const patience = 30 * time.Second

// behave is the variable that makes the test binary a new process that behaves in one of the ways of behaviors.
const behave = "HANDOVER_TEST_BEHAVE"

// behaviors are what new processes do. They print what they have got.
var behaviors = map[string]func(*Predecessor){
	"replaces": func(p *Predecessor) {
		items, err := p.Items()
		fmt.Println("items:", len(items), err)
		for _, i := range items {
			fmt.Printf("%s %q: %d bytes, %d descriptors\n", i.Kind, i.Name, len(i.Data), len(i.Descriptors))
			for _, fd := range i.Descriptors {
				if _, err := unix.Write(fd, []byte("x")); err != nil {
					fmt.Println("descriptor", fd, err)
				}
				if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					fmt.Println("descriptor", fd, "is open in children")
				}
			}
			i.Close()
		}
		fmt.Println("variable:", os.Getenv(Variable))
		fmt.Println("ready:", p.Ready([]int{0, 2}))
		p.Failed("too late")
		fmt.Println("released:", p.Released())
	},
	"fails":   func(p *Predecessor) { p.Failed("no room"); os.Exit(7) },
	"ends":    func(*Predecessor) { os.Exit(7) },
	"hangs":   func(*Predecessor) { select {} },
	"lingers": func(p *Predecessor) { p.Failed("no room"); select {} },
	"outlives": func(p *Predecessor) {
		fmt.Println("items:", second(p.Items()))
		fmt.Println("ready:", p.Ready(nil))
		fmt.Println("released:", p.Released())
	},
}

func second(_ []Item, err error) error { return err }

func TestMain(m *testing.M) {
	if way := os.Getenv(behave); way != "" {
		p, err := FromEnv()
		if err != nil {
			panic(err)
		}
		behaviors[way](p)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func command(way string, output *bytes.Buffer) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), behave+"="+way, "GORACE=atexit_sleep_ms=0")
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return cmd
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, errors.New("it was too slow"))
	t.Cleanup(cancel)
	return ctx
}

// TestHandOver passes items, one of them with more descriptors than one message takes, up to Release.
func TestHandOver(t *testing.T) {
	const pipes = 450
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	items := []Item{{Kind: "sockets", Name: "many"}, {Kind: "secret", Data: make([]byte, 3000)}, {Kind: "socket", Name: `a "quoted" one`, Descriptors: []int{int(w.Fd())}}}
	for range pipes {
		fd, err := unix.FcntlInt(w.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		items[0].Descriptors = append(items[0].Descriptors, fd)
	}
	var output bytes.Buffer
	s, err := Start(within(t, patience), command("replaces", &output), items)
	if err != nil {
		t.Fatal(err)
	}
	items[0].Close()
	taken, err := s.Ready(within(t, patience))
	if err != nil || fmt.Sprint(taken) != "[0 2]" {
		t.Fatalf("taken %v, %v", taken, err)
	}
	if err := s.Release(); err != nil {
		t.Fatal(err)
	}
	<-s.Ended()
	if s.Err() != nil {
		t.Error(s.Err())
	}
	_ = w.Close()
	written := make([]byte, pipes+10)
	if n, _ := r.Read(written); n != pipes+1 {
		t.Errorf("%d descriptors were written to", n)
	}
	want := `items: 3 <nil>
sockets "many": 0 bytes, 450 descriptors
secret "": 3000 bytes, 0 descriptors
socket "a \"quoted\" one": 0 bytes, 1 descriptors
variable: 
ready: <nil>
released: <nil>
`
	if output.String() != want {
		t.Errorf("the new process says\n%s", output.String())
	}
}

// TestFailures: the error has the reason, and the process has ended.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		way   string
		limit time.Duration
		want  string
	}{
		{"fails", patience, "exit status 7: no room"},
		{"ends", patience, "exit status 7"},
		{"hangs", 100 * time.Millisecond, "it was too slow"},
		{"lingers", patience, "it did not end, and was killed: no room"},
	} {
		t.Run(c.way, func(t *testing.T) {
			t.Parallel()
			var output bytes.Buffer
			ctx := within(t, c.limit)
			s, err := Start(ctx, command(c.way, &output), []Item{{Kind: "secret", Data: []byte("x")}})
			if err == nil {
				_, err = s.Ready(ctx)
				select {
				case <-s.Ended():
				default:
					t.Error("the process has not ended")
				}
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got the error %v, want %q", err, c.want)
			}
		})
	}
	if _, err := Start(within(t, patience), exec.Command("/no/such/program"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a program: %v", err)
	}
}

// TestItemsThatCannotBeSent: Start does not wait for a report of a process that still waits for them.
func TestItemsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	_, err := Start(t.Context(), command("hangs", &output), []Item{{Kind: "secret", Data: make([]byte, maxMessage)}})
	if err == nil || !strings.Contains(err.Error(), "is 131072 bytes long, which is too much") {
		t.Errorf("got the error %v", err)
	}
}

// TestReadyInTheLastMoment: Release works if the time for Ready ends between the two, or has ended during Ready.
func TestReadyInTheLastMoment(t *testing.T) {
	t.Parallel()
	var output bytes.Buffer
	s, err := Start(t.Context(), command("outlives", &output), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := s.interruptAtEnd(ctx)
	if _, err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	stop()
	if err := s.Release(); err != nil {
		t.Error(err)
	}
	<-s.Ended()
	if want := "items: <nil>\nready: <nil>\nreleased: <nil>\n"; output.String() != want {
		t.Errorf("the new process says\n%s", output.String())
	}
}

// TestPredecessorEnds: Released fails if the predecessor ends after Ready.
func TestPredecessorEnds(t *testing.T) {
	var output bytes.Buffer
	s, err := Start(within(t, patience), command("outlives", &output), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ready(within(t, patience)); err != nil {
		t.Fatal(err)
	}
	_ = s.channel.conn.Close() // as the end of this process would
	<-s.Ended()
	if got := output.String(); !strings.HasPrefix(got, "items: <nil>\nready: <nil>\nreleased: ") || strings.HasSuffix(got, "<nil>\n") {
		t.Errorf("the new process says\n%s", got)
	}
}

func TestNoPredecessor(t *testing.T) {
	if p, err := FromEnv(); p != nil || err != nil {
		t.Errorf("%v, %v", p, err)
	}
	for _, wrong := range []string{"x", "-1", "1000"} {
		t.Setenv(Variable, wrong)
		if _, err := FromEnv(); err == nil {
			t.Errorf("%q is taken for a descriptor", wrong)
		}
	}
	var none *Predecessor
	items, err := none.Items()
	none.Failed("no predecessor")
	if err := errors.Join(err, none.Ready(nil), none.Released()); err != nil || items != nil {
		t.Errorf("%v, %v", items, err)
	}
}
