package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

const patience = 20 * time.Second

// sink is a log file that can block or fail.
type sink struct {
	mu      sync.Mutex
	text    bytes.Buffer
	failure error
	gate    chan struct{} // nil: open
}

func (s *sink) Write(p []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return 0, s.failure
	}
	return s.text.Write(p)
}

func (s *sink) Sync() error { return nil }

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = err
}

func (s *sink) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(s.text.String(), "\n"), "\n")
}

func jsonCore(s *sink) zapcore.Core {
	return zapcore.NewCore(zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "m", NameKey: "n"}), s, zap.InfoLevel)
}

func flushed(t *testing.T, log *zap.Logger) {
	t.Helper()
	if !Flush(log, patience) {
		t.Fatal("the log is not written")
	}
}

func TestALogThatIsNotReadBlocksNobody(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	log := Wrap(zap.New(jsonCore(s)))
	const sent = 5 * maxEntries
	for i := range sent {
		log.Info("line", zap.Int("i", i)) // returns, or the test never ends
	}
	dropped := Dropped(log)
	if kept := sent - dropped; kept < maxEntries || kept > maxEntries+1 {
		t.Errorf("%d lines are kept, want %d and the one being written", kept, maxEntries)
	}
	if err := log.Sync(); err != ErrTimeout {
		t.Errorf("Sync of a blocked log: %v", err)
	}
	if Flush(log, time.Millisecond) {
		t.Error("Flush of a blocked log reports success")
	}
	close(s.gate)
	flushed(t, log)
	lines := s.lines()
	if want := fmt.Sprintf(`{"m":"log lines were dropped","lines":%d}`, dropped); lines[1] != want {
		t.Errorf("behind the first line is %s, want %s", lines[1], want)
	}
	if got := uint64(len(lines) - 1); got != sent-dropped {
		t.Errorf("%d lines are written and %d dropped, of %d", got, dropped, sent)
	}
	if err := log.Sync(); err != nil {
		t.Errorf("Sync: %v", err)
	}
}

func TestBytesAreBounded(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	log := Wrap(zap.New(jsonCore(s)))
	stack := bytes.Repeat([]byte("x"), 64<<10)
	for range 200 {
		log.Info("stalled", zap.ByteString("stack", stack))
	}
	if kept := 200 - Dropped(log); kept < 32 || kept > maxBytes/(64<<10)+1 {
		t.Errorf("%d lines of 64 KiB are kept", kept)
	}
	close(s.gate)
	flushed(t, log)

	// One that is larger than all room is written where nothing else waits.
	before := Dropped(log)
	log.Info("all stacks", zap.ByteString("stacks", bytes.Repeat([]byte("x"), maxBytes)))
	flushed(t, log)
	if Dropped(log) != before {
		t.Error("a single large line is dropped")
	}
}

func TestALogThatFailsIsCounted(t *testing.T) {
	s := &sink{failure: errors.New("no space left on device")}
	log := Wrap(zap.New(jsonCore(s)))
	for range 3 {
		log.Info("lost")
	}
	flushed(t, log)
	if n := Dropped(log); n != 3 {
		t.Errorf("%d are dropped, want 3", n)
	}
	s.fail(nil)
	log.Info("written")
	log.Info("again")
	flushed(t, log)
	want := []string{`{"m":"written"}`, `{"m":"log lines were dropped","lines":3}`, `{"m":"again"}`}
	if got := s.lines(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("written: %q, want %q", got, want)
	}
}

func TestACoreThatPanicsIsCounted(t *testing.T) {
	log := Wrap(zap.New(panickingCore{jsonCore(&sink{})}))
	log.Info("lost")
	flushed(t, log)
	if n := Dropped(log); n != 1 {
		t.Errorf("%d are dropped", n)
	}
}

type panickingCore struct{ zapcore.Core }

func (c panickingCore) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(e, c)
}

func (panickingCore) Write(zapcore.Entry, []zapcore.Field) error { panic("out of order") }

// The queue writes the same as the wrapped core.
func TestLinesAreThoseOfTheWrappedCore(t *testing.T) {
	for name, fields := range map[string][]zapcore.Field{
		"scalars":   {zap.Int("i", -1), zap.Uint64("u", 1<<63), zap.Float64("f", 1.5), zap.Bool("b", true), zap.Complex128("c", 1+2i)},
		"text":      {zap.String("s", "a\"<b>"), zap.ByteString("b", []byte("raw<")), zap.Binary("x", []byte{0, 255})},
		"times":     {zap.Duration("d", time.Second), zap.Time("t", time.Unix(1, 2).UTC())},
		"error":     {zap.Error(errors.Join(errors.New("a"), errors.New("b"))), zap.NamedError("other", errors.New("c"))},
		"nil":       {zap.Error(nil), zap.Any("a", nil), zap.Stringer("s", (*net.IPAddr)(nil))},
		"stringer":  {zap.Stringer("addr", &net.TCPAddr{IP: net.IPv4(1, 2, 3, 4), Port: 5})},
		"arrays":    {zap.Strings("s", []string{"a", "<b>"}), zap.Ints("i", []int{1, 2}), zap.Errors("e", []error{errors.New("x")})},
		"any":       {zap.Any("struct", struct{ A, B int }{1, 2}), zap.Any("map", map[string]int{"b": 1, "a": 2})},
		"namespace": {zap.Namespace("n"), zap.Int("i", 1)},
		"object":    {zap.Dict("d", zap.Int("a", 1), zap.String("b", "c"))},
		"verbose":   {zap.Error(verbose{})},
	} {
		t.Run(name, func(t *testing.T) {
			var direct, queued sink
			zap.New(jsonCore(&direct)).Named("x").With(zap.Int("with", 1)).Info("line", fields...)
			log := Wrap(zap.New(jsonCore(&queued)))
			log.Named("x").With(zap.Int("with", 1)).Info("line", fields...)
			flushed(t, log)
			if got, want := queued.lines()[0], direct.lines()[0]; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

type verbose struct{}

func (verbose) Error() string                 { return "short" }
func (verbose) Format(f fmt.State, verb rune) { fmt.Fprint(f, "long") }

// Values that fields refer to may change once the call has returned.
func TestFieldsAreCapturedAtTheCall(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	log := Wrap(zap.New(jsonCore(s)))
	raw, list, table := []byte("before"), []string{"before"}, map[string]string{"k": "before"}
	addr := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1}
	fields := []zapcore.Field{zap.ByteString("raw", raw), zap.Strings("list", list), zap.Any("table", table), zap.Stringer("addr", addr)}
	log.With(fields...).Info("with")
	log.Info("line", fields...)
	copy(raw, "after!")
	list[0], table["k"], addr.Port = "after", "after", 2
	fields[0] = zap.Skip()
	close(s.gate)
	flushed(t, log)
	for _, line := range s.lines() {
		if strings.Contains(line, "after") || strings.Count(line, "before") != 3 || !strings.Contains(line, "10.0.0.1:1") {
			t.Errorf("written: %s", line)
		}
	}
}

func TestFieldsThatPanicAreText(t *testing.T) {
	s := &sink{}
	log := Wrap(zap.New(jsonCore(s)))
	log.Info("line", zap.Any("value", marshaler{}), zap.Inline(marshaler{}), zap.Int("i", 1))
	flushed(t, log)
	if got := s.lines()[0]; strings.Count(got, "PANIC=broken") != 2 || !strings.Contains(got, `"i":1`) {
		t.Errorf("written: %s", got)
	}
}

type marshaler struct{}

func (marshaler) MarshalLogObject(zapcore.ObjectEncoder) error { panic("broken") }

// Levels, samplers and several cores of the embedding program decide as before; stacks are those of the call.
func TestTheWrappedCoreDecides(t *testing.T) {
	warnings, warned := observer.New(zap.WarnLevel)
	everything, all := observer.New(zap.DebugLevel)
	log := Wrap(zap.New(zapcore.NewTee(warnings, everything), zap.AddCaller(), zap.AddStacktrace(zap.WarnLevel)))
	log.Info("info")
	log.Warn("warning")
	flushed(t, log)
	if warned.Len() != 1 || all.Len() != 2 {
		t.Errorf("%d warnings and %d lines", warned.Len(), all.Len())
	}
	line := warned.All()[0]
	if !strings.Contains(line.Stack, "TestTheWrappedCoreDecides") || !strings.HasSuffix(line.Caller.File, "logqueue_test.go") {
		t.Errorf("caller %v, stack %s", line.Caller, line.Stack)
	}
	if Wrap(log) != log || Wrap(log.With(zap.Int("i", 1))).Core().(*core).queue != log.Core().(*core).queue {
		t.Error("a queue before a queue")
	}
}

func TestConcurrentLinesAreWrittenOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	log := Wrap(zap.New(core))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				log.Info("line")
			}
		})
	}
	wg.Wait()
	flushed(t, log)
	written := uint64(logs.FilterMessage("line").Len())
	if written+Dropped(log) != 8000 {
		t.Errorf("%d written and %d dropped, of 8000", written, Dropped(log))
	}
}

func TestOtherLoggersHaveNoQueue(t *testing.T) {
	log := zap.NewNop()
	if Dropped(log) != 0 || !Flush(log, 0) {
		t.Error("a queue is found where there is none")
	}
}
