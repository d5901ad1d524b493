//go:build linux

package reactor

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/goroutine"
)

const (
	warnMessage = "loop is stalled"
	killMessage = "loop is stalled and goes on without what stalls it"

	// stackGoroutines is up to how many goroutines a report has a stack. To find one, the runtime walks
	// all: about 2 µs each, on one processor and without stopping the others. Beyond that, loops could
	// miss that processor for longer than a few milliseconds.
	stackGoroutines = 2000
	// stackInterval is the shortest time between two such walks.
	stackInterval = time.Second
	// reportsWaiting is how many reports may wait to be logged; more are dropped and counted.
	reportsWaiting = 64
	// reportPatience is how long the end of the Reactor waits for reports that are being logged.
	reportPatience = 100 * time.Millisecond
)

// report is a line of the log about a stall.
type report struct {
	loop        *Loop
	message     string
	kill        bool
	section     uint64
	goroutine   uint64
	busy        time.Duration
	connections int
	what        string
	dropped     int // reports before this one
}

func newReport(l *Loop, message string, section uint64, busy time.Duration) *report {
	return &report{loop: l, message: message, section: section, goroutine: l.own.goroutine.Load(), busy: busy}
}

// describe records the subject and the peer of lent code. The caller must have exclusive access to the Loop.
func (r *report) describe(code *lend) {
	r.what = code.subject.String()
	if code.conn == nil {
		return
	}
	if peer := code.conn.RemoteAddr(); peer != nil {
		r.what = strings.TrimPrefix(r.what+" from "+peer.String(), " ")
	}
}

// reporter logs reports in a goroutine of its own: neither the log nor a stack keeps the watchdog.
type reporter struct {
	log      *zap.Logger
	reported func(StallReport) // may be nil
	queue    chan *report
	dropped  int
	done     chan struct{}

	// The following fields belong to the goroutine.
	walked time.Time // when a stack was last taken
	stacks map[*Loop]stackOf
}

// stackOf is the stack that was taken in a section of a Loop: once a stall is enough.
type stackOf struct {
	section uint64
	text    string
}

func startReporter(log *zap.Logger, reported func(StallReport)) *reporter {
	p := &reporter{log: log, reported: reported, queue: make(chan *report, reportsWaiting), done: make(chan struct{}), stacks: map[*Loop]stackOf{}}
	go p.run()
	return p
}

// put queues a report, or drops it when too many wait. Only the watchdog calls it.
func (p *reporter) put(r *report) {
	r.dropped = p.dropped
	select {
	case p.queue <- r:
		p.dropped = 0
	default:
		p.dropped++
	}
}

// stop ends the reporter after it has logged the queued reports, or after reportPatience.
func (p *reporter) stop() {
	close(p.queue)
	select {
	case <-p.done:
	case <-time.After(reportPatience):
	}
}

func (p *reporter) run() {
	defer close(p.done)
	for r := range p.queue {
		fields := []zap.Field{zap.Int("loop", r.loop.index), zap.Duration("for", r.busy)}
		if r.what != "" {
			fields = append(fields, zap.String("what", r.what))
		}
		if r.dropped > 0 {
			fields = append(fields, zap.Int("reports dropped before", r.dropped))
		}
		text := p.stack(r)
		stack := zap.String("stack", text)
		if p.reported != nil {
			p.reported(StallReport{Loop: r.loop.index, For: r.busy, Stopped: r.kill, What: r.what, Stack: text})
		}
		if r.kill {
			p.log.Error(r.message, append(fields, zap.String("reason", "stall-kill"), zap.Int("connections", r.connections), stack)...)
		} else {
			p.log.Warn(r.message, append(fields, stack)...)
		}
	}
}

// stack returns the stack of the stalled goroutine, or the reason for its absence.
func (p *reporter) stack(r *report) string {
	if known := p.stacks[r.loop]; known.section == r.section && known.text != "" {
		return known.text
	}
	if n := runtime.NumGoroutine(); n > stackGoroutines {
		return fmt.Sprintf("not taken among %d goroutines", n)
	}
	if time.Since(p.walked) < stackInterval {
		return "not taken so soon after another"
	}
	p.walked = time.Now()
	text := goroutineStack(r.goroutine)
	if !r.kill && r.loop.own.word.Load()>>sectionShift != r.section {
		return "not taken in time"
	}
	p.stacks[r.loop] = stackOf{r.section, text}
	return text
}

// labelName marks the goroutine that turns a Loop, with its number for a value, in goroutine profiles.
const labelName = "gatewheel-loop-goroutine"

// identify makes the calling goroutine known as the one that turns the Loop.
func (l *Loop) identify() {
	n := goroutine.Number()
	l.own.goroutine.Store(n)
	l.own.self.Store(goroutine.Self())
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(labelName, strconv.FormatUint(n, 10))))
}

// goroutineStack returns the stack of a goroutine that was identified. It takes a goroutine profile: the
// runtime walks all goroutines for it, but stops the others only at the start and at the end, for some
// microseconds.
func goroutineStack(number uint64) string {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return "not taken: " + err.Error()
	}
	label := fmt.Sprintf("%q:%q", labelName, strconv.FormatUint(number, 10))
	for entry := range strings.SplitSeq(profile.String(), "\n\n") {
		// Goroutines inherit the label from the one that has started them.
		if strings.Contains(entry, label) && strings.Contains(entry, ".(*Loop).") {
			return frames(entry)
		}
	}
	return "not found"
}

// frames returns the frames of an entry of a goroutine profile in text form, whose lines are
// "#	ADDRESS	FUNCTION+OFFSET	FILE:LINE", in the form of a stack trace.
func frames(entry string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(entry, "\n") {
		fields := strings.Split(line, "\t")
		if len(fields) < 4 || fields[0] != "#" {
			continue
		}
		function, _, _ := strings.Cut(fields[2], "+0x")
		fmt.Fprintf(&b, "%s\n\t%s\n", function, strings.TrimSpace(fields[len(fields)-1]))
	}
	return b.String()
}
