package files

import (
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/accept"
)

// codings are those of a file and its encoded neighbours, with the suffixes of their names. The
// first is the file itself; the others are in the order in which the server prefers them.
var codings = [...]struct{ name, suffix string }{{accept.Identity, ""}, {"br", ".br"}, {"zstd", ".zst"}, {"gzip", ".gz"}}

// choice is a file and its encoded neighbours as they were at one time. It does not change, so
// that all loops may use it.
type choice struct {
	variants [len(codings)]*variant // nil: there is none
	offered  []string               // the codings of neighbours; none: there is the file only
	// paths and states are of the files in the system, those that do not exist and have the zero
	// state included. There are none of files that never change.
	paths  []string
	states [len(codings)]state
}

// of returns the index of the variant for a request.
func (c *choice) of(fields app.Fields) int {
	if len(c.offered) == 0 {
		return 0
	}
	name := accept.Coding(fields.Joined("Accept-Encoding"), c.offered...)
	for i := range codings {
		if codings[i].name == name && c.variants[i] != nil {
			return i
		}
	}
	return 0
}

// isCurrent reports whether the files are still the same.
func (c *choice) isCurrent() bool {
	for i, path := range c.paths {
		// A file that cannot be looked at has the zero state, as one that does not exist.
		if now, _ := stateAt(path); now != c.states[i] {
			return false
		}
	}
	return true
}

// size returns the number of bytes that are held in memory.
func (c *choice) size() (size int64) {
	for _, v := range c.variants {
		if v != nil && v.isHeld() {
			size += v.size
		}
	}
	return size
}

// versions reads a file and its neighbours. On the pool.
type versions struct {
	*opened
	options *Options
	tree    tree
	choice  *choice
	files   [len(codings)]file // open ones
	infos   [len(codings)]fs.FileInfo
	// holdable is set if the choice may be held in memory, since every change would be noticed.
	holdable bool
}

// closeFiles closes what is open.
func (v *versions) closeFiles() {
	for _, f := range v.files {
		if f != nil {
			f.Close()
		}
	}
}

// read makes the choice. Variants that are not held have an open file.
func (v *versions) read() error {
	v.files[0], v.infos[0] = v.file, v.info
	kind, err := contentType(v.file, v.info)
	if err != nil {
		return err
	}
	v.holdable = true
	if v.options.Encoded {
		v.openNeighbours()
	}
	now := time.Now()
	for i, f := range v.files {
		if f == nil {
			continue
		}
		if err := v.add(i, kind, now); err != nil {
			return err
		}
	}
	return nil
}

// openNeighbours opens the encoded neighbours.
func (v *versions) openNeighbours() {
	for i := 1; i < len(codings); i++ {
		f, info, err := v.tree.open(v.name + codings[i].suffix)
		if err != nil {
			v.holdable = v.holdable && isAbsence(err)
			continue
		}
		v.infos[i] = info
		if !info.Mode().IsRegular() || info.ModTime().Before(v.info.ModTime()) {
			f.Close()
			continue
		}
		v.files[i] = f
		v.choice.offered = append(v.choice.offered, codings[i].name)
	}
}

// add makes the variant of an open file, and reads the file if it is small.
func (v *versions) add(i int, kind string, now time.Time) error {
	f, info := v.files[i], v.infos[i]
	checked, err := v.tree.validators(v.name+codings[i].suffix, f, info, now)
	if err != nil {
		return err
	}
	made := newVariant(v.options, v.name, checked, info.Size(), kind)
	made.coding = codings[i].name
	if len(v.choice.offered) > 0 {
		made.fields = accept.Vary(made.fields, "Accept-Encoding")
	}
	v.choice.variants[i] = made
	if made.size <= fileChunk {
		content := make([]byte, made.size)
		if n, err := f.ReadAt(content, 0); n < len(content) {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		made.hold(content)
	}
	v.holdable = v.holdable && v.isWatched(i, made)
	if made.isHeld() {
		f.Close()
		v.files[i] = nil
	}
	return nil
}

// isWatched reports whether changes of an open file would be noticed, and it has not changed
// since it was opened. A version whose tag is weak may change without a trace.
func (v *versions) isWatched(i int, made *variant) bool {
	switch f := v.files[i].(type) {
	case resident:
		return true
	case *os.File:
		after, err := f.Stat()
		return err == nil && isFromSystem(after) && stateOf(after) == stateOf(v.infos[i]) && !made.isWeak() && isLocalDisk(f) && v.watch()
	}
	return false
}

// watch notes the paths and states of the file and its neighbours. It reports false if they have
// no paths.
func (v *versions) watch() bool {
	c := v.choice
	if c.paths != nil {
		return true
	}
	n := 1
	if v.options.Encoded {
		n = len(codings)
	}
	for i := range n {
		path := v.tree.absolute(v.name + codings[i].suffix)
		if path == "" {
			return false
		}
		c.paths = append(c.paths, path)
		if v.infos[i] != nil {
			c.states[i] = stateOf(v.infos[i])
		}
	}
	return true
}
