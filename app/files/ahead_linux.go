package files

import (
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// newAhead returns what reads a file without ever waiting for a disk, nil if there is
// no way to.
func newAhead(file *os.File) io.ReaderAt {
	if !isLocalDisk(file) {
		return nil
	}
	return &ahead{fd: int(file.Fd())}
}

// lookSize is the size of the buffer that inMemory reads into, in bytes, and lookVecs how
// often one system call fills it: a call looks at 128 KiB.
const (
	lookSize = 16 << 10
	lookVecs = 8
)

// lookBuffers hold what inMemory has read. Nobody looks at it.
var lookBuffers = sync.Pool{New: func() any { return new([lookSize]byte) }}

// inMemory implements looker. It reads the file into one small buffer over and over, which
// stays in the processor's cache: that costs less than a look at each page by itself.
func (a *ahead) inMemory(offset int64, n int) (found int) {
	buffer := lookBuffers.Get().(*[lookSize]byte)
	defer lookBuffers.Put(buffer)
	var vecs [lookVecs][]byte
	for found < n {
		used, asked := 0, 0
		for ; used < lookVecs && found+asked < n; used++ {
			vecs[used] = buffer[:min(lookSize, n-found-asked)]
			asked += len(vecs[used])
		}
		k, err := unix.Preadv2(a.fd, vecs[:used], offset+int64(found), unix.RWF_NOWAIT)
		if err != nil {
			return found
		}
		if found += k; k < asked {
			return found
		}
	}
	return found
}

// ahead reads what the kernel has in memory (preadv2 with RWF_NOWAIT).
type ahead struct {
	fd   int
	vecs [1][]byte
}

func (a *ahead) ReadAt(p []byte, offset int64) (int, error) {
	a.vecs[0] = p
	n, err := unix.Preadv2(a.fd, a.vecs[:], offset, unix.RWF_NOWAIT)
	a.vecs[0] = nil
	switch {
	case err != nil:
		// EAGAIN: it is not in memory. EOPNOTSUPP: the file system cannot tell.
		return 0, errWouldWait
	case n == 0:
		return 0, io.EOF
	case n < len(p):
		// The rest is not in memory, or not there: the next call tells.
		return n, errWouldWait
	}
	return n, nil
}
