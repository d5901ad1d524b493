//go:build linux

package interop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/reactor/certs/certstest"
)

// proxied are servers by others that want PROXY headers, and answer with the client's address in X-Peer.
var proxied = []backend{
	{"nginx", "nginx", []string{"http"}, func(t *testing.T, dir, _, port, _ string) []string {
		return []string{"-e", "stderr", "-p", dir, "-c", write(t, dir, fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events {}
http {
	access_log off; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	server { listen 127.0.0.1:%[2]s proxy_protocol; add_header X-Peer $proxy_protocol_addr:$proxy_protocol_port; location / { return 200; } }
}`, dir, port))}
	}},
	{"haproxy", "haproxy", []string{"http", "h2c", "https", "h2"}, func(t *testing.T, dir, _, port, scheme string) []string {
		options := map[string]string{"http": "", "h2c": " proto h2", "https": " ssl crt " + dir + "/pem alpn http/1.1", "h2": " ssl crt " + dir + "/pem alpn h2"}[scheme]
		certificate, key := certstest.NewAuthority(t, "the authority").Issue(t, nil, "peer.test")
		if err := os.WriteFile(filepath.Join(dir, "pem"), append(certificate, key...), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-f", write(t, dir, fmt.Sprintf(`defaults
	mode http
	timeout client 30s
frontend f
	bind 127.0.0.1:%s accept-proxy%s
	http-request return status 200 hdr X-Peer "%%[src]:%%[src_port]"
`, port, options))}
	}},
}

// TestProxyProtocol: servers by others learn the address of each client from the headers of both versions, before TLS too, and take
// health checks with a header that has none.
func TestProxyProtocol(t *testing.T) {
	for i := range proxied {
		b := &proxied[i]
		for _, scheme := range b.schemes {
			for _, version := range []config.ProxyProtocol{config.ProxyV1, config.ProxyV2} {
				t.Run(fmt.Sprint(b.name, " ", scheme, " ", version), func(t *testing.T) {
					address, changes := watch(t, config.Backend{
						Peers:         config.Peers{List: []config.Peer{{URL: scheme + "://" + b.start(t, "", scheme)}}},
						ProxyProtocol: version,
						Health:        &config.Health{Request: "GET /", Every: 20 * time.Millisecond, Timeout: 5 * time.Second, Rise: 1, Fall: 1},
					})
					for range 2 {
						c := httpClient(t, false)
						var local string
						c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
							conn, err := new(net.Dialer).DialContext(ctx, network, address)
							if err == nil {
								local = conn.LocalAddr().String()
							}
							return conn, err
						}
						started(t, c, "http://"+address+"/")
						for range 3 {
							response, err := c.Get("http://" + address + "/")
							if err != nil {
								t.Fatal(err)
							}
							response.Body.Close()
							if got := response.Header.Get("X-Peer"); got != local {
								t.Errorf("status %d: the client is %q, want %s", response.StatusCode, got, local)
							}
						}
					}
					for asked := true; asked; { // one that was asked before it listened is unhealthy until it does
						select {
						case change := <-changes:
							if change == "unhealthy" {
								wantChange(t, changes, "healthy")
							}
						default:
							asked = false
						}
					}
				})
			}
		}
	}
}
