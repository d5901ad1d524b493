package discovery

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// nameServer is a DNS server on a port of its own, over UDP and TCP.
type nameServer struct {
	address string

	mu      sync.Mutex
	zone    map[string][]string // records in the form of a zone file, by name and type
	rcode   int                 // of all answers
	mute    bool                // there are no answers
	cut     bool                // answers over UDP are truncated
	asked   []string
	overTCP int
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	s := &nameServer{zone: map[string][]string{}}
	packets, streams := listen(t)
	s.address = packets.LocalAddr().String()
	for _, d := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: streams, Handler: s}} {
		started := make(chan struct{})
		d.NotifyStartedFunc = func() { close(started) }
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = d.ActivateAndServe()
		}()
		<-started
		t.Cleanup(func() {
			_ = d.Shutdown()
			<-ended
		})
	}
	return s
}

// listen returns sockets for UDP and TCP with the same port.
func listen(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 100 {
		streams, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		packets, err := net.ListenPacket("udp", streams.Addr().String())
		if err == nil {
			return packets, streams
		}
		streams.Close() // another program has that port for UDP
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil, nil
}

// ServeDNS implements dns.Handler.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, question *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := question.Question[0]
	s.asked = append(s.asked, q.Name+" "+dns.TypeToString[q.Qtype])
	if s.mute {
		return
	}
	_, isTCP := w.RemoteAddr().(*net.TCPAddr)
	if isTCP {
		s.overTCP++
	}
	answer := new(dns.Msg)
	answer.SetRcode(question, s.rcode)
	if s.cut && !isTCP {
		answer.Truncated = true
	} else {
		lines := s.zone[q.Name+" "+dns.TypeToString[q.Qtype]]
		for _, line := range lines {
			if record, err := dns.NewRR(line); err == nil {
				answer.Answer = append(answer.Answer, record)
			}
		}
	}
	_ = w.WriteMsg(answer)
}

// set replaces the records of a name and a type.
func (s *nameServer) set(name, kind string, records ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone[name+" "+kind] = records
}

func (s *nameServer) change(f func(s *nameServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// resolver returns a resolver that asks these servers, with further lines of resolv.conf.
func resolver(t *testing.T, servers []string, lines ...string) *Resolver {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	for _, s := range servers {
		text.WriteString("nameserver " + s + "\n")
	}
	text.WriteString("options timeout:1 attempts:1\n" + strings.Join(lines, "\n") + "\n")
	r := &Resolver{Config: filepath.Join(dir, "resolv.conf"), Hosts: filepath.Join(dir, "hosts")}
	for path, content := range map[string]string{r.Config: text.String(), r.Hosts: "127.0.0.9 local.test # a comment\n::1 other.test LOCAL.test\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// watched passes what a source finds.
type watched struct {
	t     *testing.T
	found chan []Endpoint
	stop  func()
}

func watchSource(t *testing.T, s Source) *watched {
	w := &watched{t: t, found: make(chan []Endpoint, 100)}
	w.stop = watch(context.Background(), s, func(e []Endpoint) { w.found <- e })
	t.Cleanup(w.stop)
	return w
}

// want waits until the source has found endpoints with these addresses, or URLs where there
// is no address.
func (w *watched) want(addresses ...string) []Endpoint {
	w.t.Helper()
	var got []string
	for deadline := time.After(patience); ; {
		select {
		case found := <-w.found:
			got = got[:0]
			for _, e := range found {
				if e.Address == "" {
					e.Address = e.URL
				}
				got = append(got, e.Address)
			}
			if strings.Join(got, " ") == strings.Join(addresses, " ") {
				return found
			}
		case <-deadline:
			w.t.Fatalf("found %q at last, want %q", got, addresses)
		}
	}
}
