package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/bench/rival"
)

// protocol names what a case speaks: h1 and h2 in the clear, h1s and h2s over TLS, ws over h1, and
// wsDeflate for the same by clients that compress.
type protocol string

const (
	h1  protocol = "h1"
	h2  protocol = "h2"
	h1s protocol = "h1s"
	h2s protocol = "h2s"
	ws  protocol = "ws"

	wsDeflate protocol = "ws-deflate"
)

func (p protocol) secure() bool { return p == h1s || p == h2s }
func (p protocol) multi() bool  { return p == h2 || p == h2s }

// path is where a server answers the case's request.
func (p protocol) path() string {
	if p == ws || p == wsDeflate {
		return rival.Path
	}
	return "/"
}

// setup is what the servers of one case are started with.
type setup struct {
	dir       string // for configurations, private to one server
	shared    string // certificate and document root
	port      int
	protocol  protocol
	gatewheel string   // the binary
	before    string   // another build of it
	flags     []string // further flags for both
	self      string   // this program, which holds the rivals
	file      int      // the size of the file to serve; 0: none
	upstream  protocol // to the backends
	backends  []string // their URLs
	upload    int      // bytes of each request's content
	unary     bool     // gRPC calls
	idle      bool     // the case is about memory
	target    string   // of the requests, if it is not that of what is above
	workers   int

	written string // configuration that write has written last
}

// path is where the server answers the case's request.
func (s *setup) path() string {
	switch {
	case s.target != "":
		return s.target
	case s.file > 0:
		return rival.FilePath + fileName(s.file)
	case s.upload > 0:
		return rival.UploadPath
	case s.unary:
		return rival.UnaryPath
	}
	return s.protocol.path()
}

// content is what the server answers with.
func (s *setup) content() string {
	switch {
	case s.file > 0:
		return rival.FileContent(s.file)
	case s.unary:
		return rival.UnaryContent
	}
	return rival.Content
}

// contentLength is the length of what the server answers with.
func (s *setup) contentLength() int {
	if s.file > 0 {
		return s.file
	}
	return len(s.content())
}

// probes is how many requests show the rate of a server.
func (s *setup) probes() int64 { return max(5000/int64(1+(s.file+s.upload)>>12), 1) }

func fileName(size int) string { return fmt.Sprintf("%d.bin", size) }

func (s *setup) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }
func (s *setup) cert() string    { return filepath.Join(s.shared, "cert.pem") }
func (s *setup) key() string     { return filepath.Join(s.shared, "key.pem") }
func (s *setup) root() string    { return filepath.Join(s.shared, "root") }

// server knows how to start one server with one worker. The command is an error's text when it
// cannot be.
type server struct {
	name    string
	command func(*setup) ([]string, error)
}

var servers = []server{
	{"gatewheel", func(s *setup) ([]string, error) { return gatewheel(s, s.gatewheel) }},
	{"before", func(s *setup) ([]string, error) { return gatewheel(s, s.before) }},
	{"floor", rivalCommand("floor")},
	{"net/http", rivalCommand("net/http")},
	{"adapter", rivalCommand("adapter")},
	{"fasthttp", rivalCommand("fasthttp")},
	{"gorilla", rivalCommand("gorilla")},
	{"nbio", nbio},
	{"gorilla-room", rivalCommand("gorilla-room")},
	{"nbio-room", rivalCommand("nbio-room")},
	{"net/http-events", rivalCommand("net/http-events")},
	{"nginx", nginx},
	{"h2o", h2o},
	{"haproxy", haproxy},
	{"nghttpd", nghttpd},
	{"caddy", caddy},
}

// uploads are the servers of a case whose requests have content. That of gatewheel is a program whose handler reads it,
// since the built-in application computes a digest.
var uploads = []server{
	{"gatewheel", rivalCommand("backend")},
	{"adapter", rivalCommand("adapter")},
	{"net/http", rivalCommand("net/http")},
	{"fasthttp", rivalCommand("fasthttp")},
}

// grpcServers are the servers of a case about gRPC. All of them are grpc-go, over different HTTP/2 servers.
var grpcServers = []server{
	{"adapter", rivalCommand("grpc-adapter")},
	{"grpc-go", rivalCommand("grpc-go")},
	{"grpc-net/http", rivalCommand("grpc-net/http")},
}

func serverNamed(servers []server, name string) server {
	i := slices.IndexFunc(servers, func(s server) bool { return s.name == name })
	return servers[i]
}

func gatewheel(s *setup, binary string) ([]string, error) {
	if binary == "" {
		return nil, fmt.Errorf("no binary given")
	}
	argv := []string{binary, "serve", "--loops", strconv.Itoa(s.workers)}
	if s.protocol.secure() {
		argv = append(argv, "--listen-tls", s.address(), "--tls-cert", s.cert(), "--tls-key", s.key())
	} else {
		argv = append(argv, "--listen", s.address())
	}
	if s.file > 0 {
		argv = append(argv, "--root", s.root())
	}
	return append(argv, s.flags...), nil
}

func rivalCommand(name string) func(*setup) ([]string, error) {
	return func(s *setup) ([]string, error) {
		argv := []string{s.self, "rival", name, s.address(), string(s.protocol), s.cert(), s.key()}
		if len(s.backends) > 0 {
			argv = append(append(argv, string(s.upstream)), s.backends...)
		}
		return argv, nil
	}
}

// nbio has a goroutine for each connection, or none where the memory of idle connections is what counts.
func nbio(s *setup) ([]string, error) {
	if s.idle {
		return rivalCommand("nbio-poller")(s)
	}
	return rivalCommand("nbio")(s)
}

// installed finds a program, also where an ordinary user's path does not lead.
func installed(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	path := filepath.Join("/usr/sbin", program)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not installed", program)
	}
	return path, nil
}

// write writes a configuration and returns its path.
func (s *setup) write(name, text string) (string, error) {
	s.written = text
	path := filepath.Join(s.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

// describe returns the command and the configuration with names in place of what differs between runs.
func (s *setup) describe(argv []string) (command, configuration string) {
	names := strings.NewReplacer(s.dir, "DIR", s.shared, "DIR", s.self, "SELF")
	constant := func(text string) string {
		text = names.Replace(text)
		for _, url := range s.backends {
			_, address, _ := strings.Cut(url, "://")
			_, port, _ := net.SplitHostPort(address)
			text = replaceWord(text, url, "BACKEND")
			text = replaceWord(text, address, "BACKEND")
			text = replaceWord(text, port, "BACKEND-PORT")
		}
		text = replaceWord(text, s.address(), "ADDRESS")
		return replaceWord(text, strconv.Itoa(s.port), "PORT")
	}
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = constant(word)
	}
	words[0] = filepath.Base(words[0])
	return strings.Join(words, " "), constant(s.written)
}

// replaceWord replaces a word where it is no part of a longer one.
func replaceWord(text, word, name string) string {
	return regexp.MustCompile(`\b`+regexp.QuoteMeta(word)+`\b`).ReplaceAllLiteralString(text, name)
}

// nginxListen returns the parameters of nginx's listen, and the directives about TLS.
func (s *setup) nginxListen() (listen, tls string) {
	listen = s.address()
	if s.protocol.multi() {
		listen += " http2"
	}
	if s.protocol.secure() {
		listen += " ssl"
		tls = fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.3;", s.cert(), s.key())
	}
	return listen, tls
}

func nginx(s *setup) ([]string, error) {
	program, err := installed("nginx")
	if err != nil {
		return nil, err
	}
	listen, tls := s.nginxListen()
	workers := "master_process off;"
	if s.workers > 1 {
		workers = fmt.Sprintf("worker_processes %d;", s.workers)
		listen += " reuseport"
	}
	conf, err := s.write("nginx.conf", fmt.Sprintf(`daemon off;
%[6]s
worker_rlimit_nofile 20000;
pid %[1]s/nginx.pid;
error_log stderr crit;
events { worker_connections 19000; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_timeout 3600s;
	keepalive_requests 1000000000;
	http2_max_concurrent_streams 250;
	client_max_body_size 0;
	server {
		listen %[2]s;
		%[3]s
		sendfile on;
		tcp_nopush on;
		open_file_cache max=1000;
		open_file_cache_valid 60s;
		http2_chunk_size 16k;
		location /file/ { alias %[5]s/; }
		location / { default_type text/plain; return 200 "%[4]s"; }
	}
}
`, s.dir, listen, tls, rival.Content, s.root(), workers))
	if err != nil {
		return nil, err
	}
	return []string{program, "-e", "stderr", "-p", s.dir, "-c", conf}, nil
}

// h2oListen returns the lines of h2o's configuration about TLS, and about its user.
func (s *setup) h2oListen() (tls, user string) {
	if s.protocol.secure() {
		tls = fmt.Sprintf("  ssl:\n    certificate-file: %s\n    key-file: %s\n    minimum-version: TLSv1.2\n    ocsp-update-interval: 0\n",
			s.cert(), s.key())
	}
	if os.Geteuid() == 0 {
		user = "user: root\n"
	}
	return tls, user
}

func h2o(s *setup) ([]string, error) {
	program, err := installed("h2o")
	if err != nil {
		return nil, err
	}
	tls, user := s.h2oListen()
	conf, err := s.write("h2o.conf", fmt.Sprintf(`%snum-threads: %d
max-connections: 19000
http1-request-timeout: 3600
http2-idle-timeout: 3600
listen:
  host: 127.0.0.1
  port: %d
%shosts:
  default:
    paths:
      "/file":
        file.dir: %s
      "/":
        file.file: %s
`, user, s.workers, s.port, tls, s.root(), filepath.Join(s.root(), "hello.txt")))
	if err != nil {
		return nil, err
	}
	return []string{program, "-m", "worker", "-c", conf}, nil
}

func haproxy(s *setup) ([]string, error) {
	program, err := installed("haproxy")
	if err != nil {
		return nil, err
	}
	bind := s.address()
	switch s.protocol {
	case h1:
	case h2:
		bind += " proto h2"
	default:
		return nil, fmt.Errorf("haproxy is not set up for %s", s.protocol)
	}
	conf, err := s.write("haproxy.cfg", fmt.Sprintf(`global
	nbthread 1
	maxconn 9000
	tune.h2.max-concurrent-streams 250
defaults
	mode http
	timeout client 3600s
	timeout http-keep-alive 3600s
	timeout http-request 3600s
frontend hello
	bind %s
	http-request return status 200 content-type text/plain string "%s"
`, bind, rival.Content))
	if err != nil {
		return nil, err
	}
	return []string{program, "-q", "-f", conf}, nil
}

func caddy(s *setup) ([]string, error) {
	program, err := installed("caddy")
	if err != nil {
		return nil, err
	}
	// The site has no name: it answers for every host.
	site, protocols, tls := fmt.Sprintf("http://:%d", s.port), "h1 h2c", ""
	if s.protocol.secure() {
		site, protocols = fmt.Sprintf("https://:%d", s.port), "h1 h2"
		tls = fmt.Sprintf("\ttls %s %s\n", s.cert(), s.key())
	}
	conf, err := s.write("Caddyfile", fmt.Sprintf(`{
	admin off
	auto_https off
	log {
		output discard
	}
	servers {
		protocols %s
	}
}
%s {
	bind 127.0.0.1
%s	handle /file/* {
		uri strip_prefix /file
		root * %s
		file_server
	}
	respond "%s"
}
`, protocols, site, tls, s.root(), rival.Content))
	if err != nil {
		return nil, err
	}
	return []string{program, "run", "--adapter", "caddyfile", "--config", conf}, nil
}

func nghttpd(s *setup) ([]string, error) {
	program, err := installed("nghttpd")
	if err != nil {
		return nil, err
	}
	argv := []string{program, "--address=127.0.0.1", "--workers=1", "--max-concurrent-streams=250", "--htdocs=" + s.root()}
	if s.protocol.secure() {
		return append(argv, strconv.Itoa(s.port), s.key(), s.cert()), nil
	}
	return append(argv, "--no-tls", strconv.Itoa(s.port)), nil
}
