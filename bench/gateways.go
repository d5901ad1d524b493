package main

import (
	"fmt"
	"os"
	"strings"
)

// gateways are the servers of a case with backends that forward. Each keeps its connections to the
// backend, as its documentation tells, and has one worker.
var gateways = []server{
	{"gatewheel", func(s *setup) ([]string, error) { return gatewheelGateway(s, s.gatewheel) }},
	{"before", func(s *setup) ([]string, error) { return gatewheelGateway(s, s.before) }},
	{"haproxy", haproxyGateway},
	{"nginx", nginxGateway},
	{"nghttpx", nghttpxGateway},
	{"h2o", h2oGateway},
	{"ReverseProxy", rivalCommand("ReverseProxy")},
}

// fanouts are the servers of a case whose handler asks several backends a request.
var fanouts = []server{
	{"gatewheel", rivalCommand("fanout-gatewheel")},
	{"net/http", rivalCommand("fanout-net/http")},
	{"fasthttp", rivalCommand("fanout-fasthttp")},
}

func gatewheelGateway(s *setup, binary string) ([]string, error) {
	if binary == "" {
		return nil, fmt.Errorf("no binary given")
	}
	argv := []string{binary, "gateway", "--loops", "1", "--to", s.backends[0]}
	if s.upstream.secure() {
		argv = append(argv, "--to-insecure") // the certificate was made for this run
	}
	if s.protocol.secure() {
		argv = append(argv, "--listen-tls", s.address(), "--tls-cert", s.cert(), "--tls-key", s.key())
	} else {
		argv = append(argv, "--listen", s.address())
	}
	return append(argv, s.flags...), nil
}

// backendAddress returns host:port of the backend of a gateway.
func (s *setup) backendAddress() string {
	_, address, _ := strings.Cut(s.backends[0], "://")
	return address
}

// haproxyGateway shares connections of the backend between clients at once (http-reuse always), and lets each HTTP/2 one
// carry as many streams as the backend allows. It does not splice: option splice-auto saves no time and lowers the rate.
func haproxyGateway(s *setup) ([]string, error) {
	program, err := installed("haproxy")
	if err != nil {
		return nil, err
	}
	bind, server := s.address(), s.backendAddress()
	switch {
	case s.protocol == h2:
		bind += " proto h2"
	case s.protocol.secure():
		pem, err := s.certAndKey()
		if err != nil {
			return nil, err
		}
		bind += " ssl crt " + pem + " alpn h2,http/1.1"
	}
	switch s.upstream {
	case h2:
		server += " proto h2"
	case h2s:
		server += " ssl verify none alpn h2"
	}
	conf, err := s.write("haproxy.cfg", fmt.Sprintf(`global
	nbthread 1
	maxconn 9000
	tune.h2.max-concurrent-streams 250
	tune.h2.initial-window-size 1048576
	ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
	mode http
	timeout connect 5s
	timeout client 3600s
	timeout server 3600s
	timeout tunnel 3600s
	timeout http-keep-alive 3600s
	option forwardfor
	http-reuse always
frontend clients
	bind %s
	default_backend servers
backend servers
	server one %s pool-max-conn -1 pool-purge-delay 3600s
`, bind, server))
	if err != nil {
		return nil, err
	}
	return []string{program, "-q", "-f", conf}, nil
}

// certAndKey writes certificate and key into one file, as haproxy wants them.
func (s *setup) certAndKey() (string, error) {
	var both []byte
	for _, file := range []string{s.cert(), s.key()} {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		both = append(both, text...)
	}
	return s.write("both.pem", string(both))
}

// nginxGateway keeps idle connections to the backend, without a limit of requests on each. Debian's nginx asks over
// HTTP/2 with grpc_pass only, and there with one stream at a time on each connection.
func nginxGateway(s *setup) ([]string, error) {
	program, err := installed("nginx")
	if err != nil {
		return nil, err
	}
	pass := fmt.Sprintf("proxy_pass http://servers; proxy_http_version 1.1; proxy_set_header Connection %q; proxy_request_buffering off; proxy_max_temp_file_size 0;", "")
	if s.file > 0 {
		pass += " proxy_buffers 16 64k; proxy_buffer_size 16k; proxy_busy_buffers_size 128k;"
	}
	switch {
	case s.unary:
		pass = "grpc_pass grpc://servers;"
	case s.protocol == ws:
		pass = `proxy_pass http://servers; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
			proxy_set_header Connection "upgrade"; proxy_read_timeout 3600s; proxy_send_timeout 3600s;`
	case s.upstream != h1:
		return nil, fmt.Errorf("nginx does not speak %s to a server", s.upstream)
	}
	listen, tls := s.nginxListen()
	conf, err := s.write("nginx.conf", fmt.Sprintf(`daemon off;
master_process off;
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
	upstream servers {
		server %[4]s;
		keepalive 6000;
		keepalive_requests 1000000000;
		keepalive_timeout 3600s;
	}
	server {
		listen %[2]s;
		%[3]s
		location / {
			%[5]s
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $remote_addr;
		}
	}
}
`, s.dir, listen, tls, s.backendAddress(), pass))
	if err != nil {
		return nil, err
	}
	return []string{program, "-e", "stderr", "-p", s.dir, "-c", conf}, nil
}

// nghttpxGateway has one worker, and windows in which the content of a case fits.
func nghttpxGateway(s *setup) ([]string, error) {
	program, err := installed("nghttpx")
	if err != nil {
		return nil, err
	}
	backend := fmt.Sprintf("--backend=%s;;proto=h2", strings.Replace(s.backendAddress(), ":", ",", 1))
	switch s.upstream {
	case h1:
		backend = strings.TrimSuffix(backend, "h2") + "http/1.1"
	case h2s:
		backend += ";tls"
	}
	frontend := fmt.Sprintf("--frontend=127.0.0.1,%d", s.port)
	argv := []string{program, "--conf=/dev/null", "--workers=1", "--single-process", "--no-ocsp", "--insecure", "--log-level=ERROR",
		"--add-x-forwarded-for", "--frontend-http2-max-concurrent-streams=250", "--backend-http2-window-size=1M",
		"--frontend-http2-window-size=1M", "--frontend-http2-connection-window-size=16M",
		"--backend-read-timeout=3600", "--backend-write-timeout=3600", "--backend-keep-alive-timeout=3600",
		"--frontend-http2-read-timeout=3600", "--frontend-read-timeout=3600", "--frontend-keep-alive-timeout=3600", backend}
	if s.protocol.secure() {
		return append(argv, frontend, s.key(), s.cert()), nil
	}
	return append(argv, frontend+";no-tls"), nil
}

// h2oGateway keeps its connections to the backend for an hour. Debian's h2o speaks HTTP/1.1 to servers only.
func h2oGateway(s *setup) ([]string, error) {
	program, err := installed("h2o")
	if err != nil {
		return nil, err
	}
	if s.upstream != h1 {
		return nil, fmt.Errorf("h2o does not speak %s to a server", s.upstream)
	}
	tls, user := s.h2oListen()
	conf, err := s.write("h2o.conf", fmt.Sprintf(`%snum-threads: 1
max-connections: 19000
http1-request-timeout: 3600
http2-idle-timeout: 3600
proxy.timeout.keepalive: 3600000
proxy.timeout.io: 3600000
proxy.preserve-host: ON
proxy.websocket: ON
proxy.websocket.timeout: 3600000
listen:
  host: 127.0.0.1
  port: %d
%shosts:
  default:
    paths:
      "/":
        proxy.reverse.url: http://%s/
`, user, s.port, tls, s.backendAddress()))
	if err != nil {
		return nil, err
	}
	return []string{program, "-m", "worker", "-c", conf}, nil
}
