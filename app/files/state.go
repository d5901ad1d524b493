package files

// state tells versions of a file apart: on Linux every change of its content also
// changes the change time, which nobody can set.
type state struct {
	inode
	size              int64
	modified, changed int64 // Unix time in nanoseconds
}

// inode identifies a file for as long as it is open.
type inode struct{ dev, ino uint64 }
