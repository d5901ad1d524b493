package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// memoryCase is the question how memory grows with connections that have made one exchange each.
type memoryCase struct {
	protocol protocol
	numbers  []int // of connections, ascending
}

func (m memoryCase) name() string { return "memory-" + string(m.protocol) }

var memoryNumbers = []int{1000, 5000, 10_000, 15_000}

// memoryCases are those of `bench growth`.
var memoryCases = []memoryCase{{h1, memoryNumbers}, {h2, memoryNumbers}, {ws, memoryNumbers}, {h1s, memoryNumbers}}

// memoryResult is what a memoryCase has shown.
type memoryResult struct {
	Protocol protocol      `json:"protocol"`
	Points   []memoryPoint `json:"points,omitempty"`
	LeftOut  string        `json:"left_out,omitempty"`
}

// memoryPoint is the memory in use with that many connections.
type memoryPoint struct {
	Connections int   `json:"connections"`
	Resident    int64 `json:"resident_bytes"` // of the server
	kernelMemory
}

// kernelMemory is memory that the kernel uses for itself, and the TCP sockets of the whole machine: both ends of each
// connection, and those of others.
type kernelMemory struct {
	Sockets int64 `json:"tcp_sockets"`
	Slab    int64 `json:"slab_bytes"`
	Buffers int64 `json:"tcp_buffer_bytes"`
	// Caches are the bytes of the objects in use in each slab cache that grows with sockets; nil where the process
	// may not read /proc/slabinfo.
	Caches map[string]int64 `json:"slab_caches"`
}

// memoryGrowth measures a server with more and more connections.
func (r *runner) memoryGrowth(m memoryCase) memoryResult {
	res := memoryResult{Protocol: m.protocol}
	points, err := r.memoryPoints(m)
	if err != nil {
		res.LeftOut = err.Error()
		return res
	}
	keepGrowing(points)
	res.Points = points
	return res
}

func (r *runner) memoryPoints(m memoryCase) ([]memoryPoint, error) {
	t, err := r.launch(&benchCase{protocol: m.protocol}, nil, "gatewheel")
	if err != nil {
		return nil, err
	}
	defer t.stop()
	var points []memoryPoint
	for _, n := range append([]int{0}, m.numbers...) {
		if r.interrupted() {
			return nil, errGrowthInterrupted
		}
		if n > 0 {
			release, err := r.holdOpen(hold(t.setup, n-points[len(points)-1].Connections))
			if err != nil {
				return nil, err
			}
			defer release()
		}
		time.Sleep(r.settle)
		p := memoryPoint{Connections: n}
		if p.Resident, err = t.process.resident(); err != nil {
			return nil, err
		}
		if p.kernelMemory, err = readKernelMemory(); err != nil {
			return nil, err
		}
		points = append(points, p)
		r.tell("%d connections, %d KiB", n, p.Resident>>10)
	}
	return points, nil
}

func readKernelMemory() (kernelMemory, error) {
	kilobytes, _, _ := strings.Cut(fileValue("/proc/meminfo", "Slab"), " ")
	slab, err := strconv.ParseInt(kilobytes, 10, 64)
	if err != nil {
		return kernelMemory{}, fmt.Errorf("reading Slab of /proc/meminfo: %w", err)
	}
	m := kernelMemory{Slab: slab << 10}
	// TCP: inuse 28 orphan 1 tw 3558 alloc 33 mem 0
	fields := strings.Fields(fileValue("/proc/net/sockstat", "TCP"))
	pages, err1 := numberAfter(fields, "mem")
	sockets, err2 := numberAfter(fields, "alloc")
	if err := errors.Join(err1, err2); err != nil {
		return m, fmt.Errorf("reading TCP of /proc/net/sockstat: %w", err)
	}
	m.Sockets, m.Buffers = sockets, pages*int64(os.Getpagesize())
	if text, err := os.ReadFile("/proc/slabinfo"); err == nil {
		m.Caches = parseSlabs(string(text))
	}
	return m, nil
}

// numberAfter returns the number that follows a word.
func numberAfter(fields []string, word string) (int64, error) {
	i := slices.Index(fields, word)
	if i < 0 || i+1 == len(fields) {
		return 0, fmt.Errorf("no %s", word)
	}
	return strconv.ParseInt(fields[i+1], 10, 64)
}

// parseSlabs returns the bytes of each cache of /proc/slabinfo that its objects in use need, with the unused rest of
// their pages.
func parseSlabs(text string) map[string]int64 {
	caches := map[string]int64{}
	for line := range strings.Lines(text) {
		// Name, objects in use, objects, size, objects a slab, pages a slab.
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		used, err1 := strconv.ParseInt(fields[1], 10, 64)
		each, err2 := strconv.ParseInt(fields[4], 10, 64)
		pages, err3 := strconv.ParseInt(fields[5], 10, 64)
		if err1 == nil && err2 == nil && err3 == nil && each > 0 {
			caches[fields[0]] = used * pages * int64(os.Getpagesize()) / each
		}
	}
	return caches
}

// leastGrowth is the growth of a slab cache in bytes a socket, below which it is left out.
const leastGrowth = 8

// filesOfProc is the cache of what programs read in /proc, this one among them. It grows with time, and so may seem to
// grow with sockets.
const filesOfProc = "proc_inode_cache"

// keepGrowing drops the caches that do not grow with sockets, or hardly.
func keepGrowing(points []memoryPoint) {
	if len(points) == 0 {
		return
	}
	for name := range points[0].Caches {
		x, y := axes(points, (*memoryPoint).sockets, inCache(name))
		if l := fit(x, y); name != filesOfProc && l.slope >= leastGrowth && l.followedBy(x, y) {
			continue
		}
		for i := range points {
			delete(points[i].Caches, name)
		}
	}
}

// axes returns two numbers of each point.
func axes(points []memoryPoint, of, part func(*memoryPoint) int64) (x, y []float64) {
	for i := range points {
		x, y = append(x, float64(of(&points[i]))), append(y, float64(part(&points[i])))
	}
	return x, y
}

func (p *memoryPoint) connections() int64 { return int64(p.Connections) }
func (p *memoryPoint) sockets() int64     { return p.Sockets }
func (p *memoryPoint) resident() int64    { return p.Resident }

// kernel returns the kernel's part: the caches that grow with sockets, or all slabs where caches are not known, and the
// buffers of TCP.
func (p *memoryPoint) kernel() int64 {
	if p.Caches == nil {
		return p.Slab + p.Buffers
	}
	sum := p.Buffers
	for _, bytes := range p.Caches {
		sum += bytes
	}
	return sum
}

func inCache(name string) func(*memoryPoint) int64 {
	return func(p *memoryPoint) int64 { return p.Caches[name] }
}

// memoryLines are how the parts of memory grow: those of the process with connections, those of the kernel with sockets,
// of which the server has one for each connection.
type memoryLines struct {
	process line
	kernel  line
	caches  map[string]line
}

func (m *memoryResult) lines() memoryLines {
	l := memoryLines{
		process: fit(axes(m.Points, (*memoryPoint).connections, (*memoryPoint).resident)),
		kernel:  fit(axes(m.Points, (*memoryPoint).sockets, (*memoryPoint).kernel)),
		caches:  map[string]line{},
	}
	for name := range m.Points[0].Caches {
		l.caches[name] = fit(axes(m.Points, (*memoryPoint).sockets, inCache(name)))
	}
	return l
}
