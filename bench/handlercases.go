package main

// handlerCases are about an http.Handler: served by app/nethttp, and by net/http.
var handlerCases = []benchCase{
	handlerCase("h1", "HTTP/1.1, GET /, 50 connections", h1, wrk(50, 1), 1),
	handlerCase("h2", "HTTP/2 in the clear, GET /, 50 connections, 100 streams on each", h2, h2load(50, 100), 0.5),
	handlerCase("h2-single", "HTTP/2 in the clear, GET /, 50 connections, 1 stream on each", h2, h2load(50, 1), 0.5),
	handlerUpload("upload-h1", "HTTP/1.1, POST of 64 KiB, 10 connections", h1, wrkPost(10), 1.1),
	handlerUpload("upload-h2", "HTTP/2 in the clear, POST of 64 KiB, 10 connections, 10 streams on each", h2, h2load(10, 10), 0.65),
	handlerDownload("download-h1", "HTTP/1.1, one write of 1 MiB, 10 connections", h1, wrk(10, 1), 1),
	handlerDownload("download-h2", "HTTP/2 in the clear, one write of 1 MiB, 4 connections, 10 streams on each", h2, h2load(4, 10), 0.5),
	{
		name: "handler-idle-h1", about: "memory an idle HTTP/1.1 connection holds after a request for an http.Handler",
		protocol: h1, idle: true, reference: "net/http",
		servers: []string{"adapter", "net/http"},
		goals:   []goal{{"net/http", 0.5}},
	},
	{
		name: "handler-idle-h2", about: "memory an idle HTTP/2 connection holds after a request for an http.Handler",
		protocol: h2, idle: true, reference: "net/http",
		servers: []string{"adapter", "net/http"},
		goals:   []goal{{"net/http", 0.5}},
	},
}

// handlerCase returns a case in which the adapter may cost atMost of net/http.
func handlerCase(name, about string, p protocol, l load, atMost float64) benchCase {
	return benchCase{
		name: "handler-" + name, about: "an http.Handler over " + about,
		protocol: p, load: l, reference: "net/http",
		servers: []string{"adapter", "net/http"},
		goals:   []goal{{"net/http", atMost}},
	}
}

func handlerUpload(name, about string, p protocol, l load, atMost float64) benchCase {
	c := handlerCase(name, about, p, l, atMost)
	c.upload = 64 << 10
	return c
}

func handlerDownload(name, about string, p protocol, l load, atMost float64) benchCase {
	c := handlerCase(name, about, p, l, atMost)
	c.file = 1 << 20
	return c
}
