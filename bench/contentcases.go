package main

import "fmt"

// contentCases are about content of several sizes in both directions, as files and as uploads.
var contentCases = []benchCase{
	download(h1, 1<<10), download(h2, 1<<10), download(h1s, 1<<10), download(h2s, 1<<10),
	download(h1, 64<<10), download(h2, 64<<10), download(h1s, 64<<10), download(h2s, 64<<10),
	download(h1s, 1<<20), download(h2s, 1<<20),
	download(h1, large), download(h2, large), download(h1s, large), download(h2s, large),
	upload(h1, 1<<10), upload(h2, 1<<10), upload(h1s, 1<<10), upload(h2s, 1<<10),
	upload(h1, 64<<10), upload(h2, 64<<10), upload(h1s, 64<<10), upload(h2s, 64<<10),
	upload(h1, 1<<20), upload(h2, 1<<20), upload(h1s, 1<<20), upload(h2s, 1<<20),
	upload(h1, large), upload(h2, large), upload(h1s, large), upload(h2s, large),
}

// large is the size of the largest content in bytes. A case of it has one request at a time.
const large = 1 << 30

// download is a case of files of that size.
func download(p protocol, size int) benchCase {
	connections := connectionsFor(size)
	c := benchCase{
		name:     fmt.Sprintf("down-%s-%s", shortNames[p], sizeName(size)),
		about:    fmt.Sprintf("%s, a file of %s, %d connections", longNames[p], sizeText(size), connections),
		protocol: p, file: size, load: wrk(connections, 1), reference: "nginx",
		servers: []string{"gatewheel", "before", "h2o", "nginx", "caddy", "net/http"},
	}
	if p.multi() {
		c.load = h2load(connections, 10)
		c.about += ", 10 streams on each"
	}
	if size == large { // which net/http here has in memory
		c.about = fmt.Sprintf("%s, a file of %s, one at a time", longNames[p], sizeText(size))
		c.load, c.selfCheck = h2load(1, 1), true
		c.servers = []string{"gatewheel", "before", "h2o", "nginx", "caddy"}
	}
	return c
}

// upload is a case of requests with content of that size, whose handler reads it. nginx has no handler that does: it
// discards the content, and over HTTP/2 resets the stream.
func upload(p protocol, size int) benchCase {
	connections := connectionsFor(size)
	c := benchCase{
		name:     fmt.Sprintf("up-%s-%s", shortNames[p], sizeName(size)),
		about:    fmt.Sprintf("%s, POST of %s, %d connections", longNames[p], sizeText(size), connections),
		protocol: p, upload: size, load: wrkPost(connections), reference: "net/http",
		servers: []string{"gatewheel", "net/http"},
	}
	switch {
	case size == large:
		c.about = fmt.Sprintf("%s, POST of %s, one at a time", longNames[p], sizeText(size))
		c.load = h2load(1, 1)
	case p.multi():
		c.load = h2load(connections, 10)
		c.about += ", 10 streams on each"
	case p == h1:
		c.servers = append(c.servers, "fasthttp")
	}
	return c
}

// connectionsFor returns how many connections a case with content of that size has.
func connectionsFor(size int) int {
	if size >= 1<<20 {
		return 4
	}
	return 10
}
