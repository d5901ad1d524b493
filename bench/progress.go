package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// progress shows on standard error what is being measured: a line that is replaced on a terminal, a line for each case
// elsewhere.
type progress struct {
	out      *os.File
	terminal bool
	each     bool   // a line for each round
	where    string // the case, and how many there are
}

func newProgress(out *os.File, each bool) *progress {
	_, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	return &progress{out: out, terminal: err == nil, each: each}
}

// begin names the case that comes next.
func (p *progress) begin(number, of int, name string) {
	if p == nil {
		return
	}
	p.where = fmt.Sprintf("[%d/%d] %s", number, of, name)
	if !p.terminal && !p.each {
		fmt.Fprintln(p.out, p.where)
	}
}

func (p *progress) tell(text string) {
	switch {
	case p == nil:
	case p.each:
		fmt.Fprintf(p.out, "%s: %s\n", p.where, text)
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[K%s: %s", p.where, text)
	}
}

// end removes the line of the terminal, so that a table can follow.
func (p *progress) end() {
	if p != nil && p.terminal && !p.each {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// tell shows what has been measured last.
func (r *runner) tell(format string, args ...any) { r.progress.tell(fmt.Sprintf(format, args...)) }
