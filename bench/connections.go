package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// connectionsTo counts the TCP connections of the process to these ports.
func (p *process) connectionsTo(ports map[int]bool) (int, error) {
	own := map[string]bool{} // the inodes of its sockets
	for _, pid := range p.tree() {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		files, err := os.ReadDir(dir)
		if err != nil {
			return 0, fmt.Errorf("the server is gone: %w", err)
		}
		for _, f := range files {
			if link, err := os.Readlink(dir + "/" + f.Name()); err == nil && strings.HasPrefix(link, "socket:[") {
				own[strings.Trim(link, "socket:[]")] = true
			}
		}
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0, err
	}
	n := 0
	for line := range strings.Lines(string(table)) {
		// Number, local and remote address, state, three pairs of counters, user, timeouts, inode.
		fields := strings.Fields(line)
		if len(fields) < 10 || !own[fields[9]] {
			continue
		}
		_, hex, _ := strings.Cut(fields[2], ":")
		if port, err := strconv.ParseUint(hex, 16, 16); err == nil && ports[int(port)] {
			n++
		}
	}
	return n, nil
}
