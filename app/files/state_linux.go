package files

import (
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// isFromSystem reports whether stateOf knows the file.
func isFromSystem(info fs.FileInfo) bool {
	_, ok := info.Sys().(*syscall.Stat_t)
	return ok
}

// stateOf returns the state of a file; the zero state if the system does not describe it.
func stateOf(info fs.FileInfo) state {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return state{}
	}
	return state{inode{uint64(s.Dev), s.Ino}, s.Size, s.Mtim.Nano(), s.Ctim.Nano()}
}

// stateAt returns the state of the file at a path.
func stateAt(path string) (state, error) {
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		return state{}, err
	}
	return state{inode{uint64(s.Dev), s.Ino}, s.Size, s.Mtim.Nano(), s.Ctim.Nano()}, nil
}

// localDisks are the types of file systems (statfs(2)) whose metadata is in the
// kernel's memory or on a disk of this machine. On others a stat may wait for a
// server or a process, and a file may change elsewhere.
var localDisks = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.RAMFS_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true,
	unix.F2FS_SUPER_MAGIC: true, unix.SQUASHFS_MAGIC: true, unix.EROFS_SUPER_MAGIC_V1: true,
	0x2fc12fc1: true, // ZFS
}

// isLocalDisk reports whether a file is in one of localDisks.
func isLocalDisk(file *os.File) bool {
	var s unix.Statfs_t
	return unix.Fstatfs(int(file.Fd()), &s) == nil && localDisks[int64(s.Type)]
}
