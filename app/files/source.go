package files

import (
	"io"
	"io/fs"
	"time"
)

// source is where a Dir has its files from.
type source interface {
	// acquire returns the tree of files as it is now; the caller releases it. On the pool.
	acquire() (tree, error)
	// close fails later calls of acquire with os.ErrClosed. Trees in use stay valid.
	close() error
}

// tree is a tree of files. Names are paths below its root with slashes; "." is the root
// itself. Methods are called on the pool.
type tree interface {
	// open opens a file or a directory.
	open(name string) (file, fs.FileInfo, error)
	// stat describes what a name leads to.
	stat(name string) (fs.FileInfo, error)
	// validators returns the validators of a file that was open at now.
	validators(name string, f file, info fs.FileInfo, now time.Time) (validators, error)
	// absolute returns the path of a file at which stateAt describes it, "" if there is none.
	absolute(name string) string
	release()
}

// file is an open file or directory. Directories have the methods of fs.ReadDirFile.
type file interface {
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
}
