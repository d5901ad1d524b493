//go:build !linux

package files

import (
	"io/fs"
	"os"
)

// isFromSystem is false: without a change time, validators are no better than those of any fs.FS.
func isFromSystem(fs.FileInfo) bool { return false }

// stateOf knows no change time elsewhere than on Linux.
func stateOf(info fs.FileInfo) state {
	at := info.ModTime().UnixNano()
	return state{size: info.Size(), modified: at, changed: at}
}

func stateAt(path string) (state, error) {
	info, err := os.Stat(path)
	if err != nil {
		return state{}, err
	}
	return stateOf(info), nil
}

// isLocalDisk is false: without a change time no file is held in memory.
func isLocalDisk(*os.File) bool { return false }
