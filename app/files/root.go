package files

import (
	"io/fs"
	"os"
	"path"
	"sync"
	"syscall"
	"time"
)

// root is the directory at a path, whichever that is at the moment. It is used on
// the pool only: its calls wait for the disk.
type root struct {
	path string // absolute

	mu      sync.Mutex
	current *handle
	closed  bool
}

// handle is an open directory. It is closed when it is no longer the current one
// and its last user has released it.
type handle struct {
	*os.Root
	root *root
	id   inode
	uses int // under root.mu; the current one counts as a use
}

// acquire implements source.
func (r *root) acquire() (tree, error) {
	h, err := r.atPath()
	if err != nil {
		return nil, err
	}
	return h, nil
}

// atPath returns the directory that is at the path now; the caller releases it.
func (r *root) atPath() (*handle, error) {
	info, err := os.Stat(r.path)
	if err != nil {
		return nil, err
	}
	if h, err := r.use(stateOf(info).inode); h != nil || err != nil {
		return h, err
	}
	opened, err := os.OpenRoot(r.path)
	if err != nil {
		return nil, err
	}
	if info, err = opened.Stat("."); err != nil {
		_ = opened.Close()
		return nil, err
	}
	return r.replace(&handle{Root: opened, root: r, id: stateOf(info).inode, uses: 2})
}

// use returns the current handle if it is of the directory with that id, else nil.
func (r *root) use(id inode) (*handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return nil, os.ErrClosed
	case r.current == nil || r.current.id != id:
		return nil, nil
	}
	r.current.uses++
	return r.current, nil
}

// replace makes h, which counts two uses, the current handle.
func (r *root) replace(h *handle) (*handle, error) {
	r.mu.Lock()
	old := r.current
	if r.closed {
		r.mu.Unlock()
		_ = h.Close()
		return nil, os.ErrClosed
	}
	r.current = h
	r.mu.Unlock()
	if old != nil {
		old.release()
	}
	return h, nil
}

// open implements tree. It does not wait for the other end of a pipe.
func (h *handle) open(name string) (file, fs.FileInfo, error) {
	f, err := h.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// stat implements tree.
func (h *handle) stat(name string) (fs.FileInfo, error) { return h.Stat(name) }

// absolute implements tree.
func (h *handle) absolute(name string) string { return path.Join(h.root.path, name) }

// validators implements tree.
func (h *handle) validators(_ string, _ file, info fs.FileInfo, now time.Time) (validators, error) {
	return fileValidators(info, now), nil
}

// release ends a use of the handle.
func (h *handle) release() {
	h.root.mu.Lock()
	h.uses--
	over := h.uses == 0
	h.root.mu.Unlock()
	if over {
		_ = h.Close()
	}
}

// close implements source: it closes the directory once nobody uses it.
func (r *root) close() error {
	r.mu.Lock()
	h := r.current
	r.current, r.closed = nil, true
	r.mu.Unlock()
	if h != nil {
		h.release()
	}
	return nil
}
