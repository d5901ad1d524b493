package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Handshakes is a load of new TLS connections, one request over HTTP/1.1 on each.
type Handshakes struct {
	Address  string
	Path     string
	Content  string
	Clients  int
	Resume   bool
	Duration time.Duration
}

// Run makes connections until the time is over, and counts them. A client that resumes has its first ticket before ready
// is called.
func (h Handshakes) Run(ready func(), done func(Result)) error {
	configs := make([]*tls.Config, h.Clients)
	for i := range configs {
		var err error
		if configs[i], err = h.config(); err != nil {
			return err
		}
	}
	var mu sync.Mutex
	var result Result
	var all error
	var group sync.WaitGroup
	ready()
	begun := time.Now()
	for _, config := range configs {
		group.Go(func() {
			n, err := h.client(config, begun.Add(h.Duration))
			mu.Lock()
			defer mu.Unlock()
			result.Count += n
			all = errors.Join(all, err)
		})
	}
	group.Wait()
	if all != nil {
		return all
	}
	result.Elapsed = time.Since(begun)
	done(result)
	return nil
}

// config returns the configuration of a client, which has a ticket if it is to resume.
func (h Handshakes) config() (*tls.Config, error) {
	config := &tls.Config{
		// The certificate was made for this run; what is measured is not whom it names.
		InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{"http/1.1"},
		// All servers compute the same: those with an older OpenSSL do not have X25519MLKEM768, which costs more.
		CurvePreferences: []tls.CurveID{tls.X25519},
	}
	if !h.Resume {
		return config, nil
	}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	_, err := h.connect(config)
	return config, err
}

func (h Handshakes) client(config *tls.Config, until time.Time) (connections int64, err error) {
	for {
		resumed, err := h.connect(config)
		if err != nil {
			return connections, err
		}
		if resumed != h.Resume {
			return connections, fmt.Errorf("the session was resumed: %v, wanted %v", resumed, h.Resume)
		}
		if connections++; !time.Now().Before(until) {
			return connections, nil
		}
	}
}

// connect makes a connection and a request. The ticket of TLS 1.3 arrives with the response at the latest.
func (h Handshakes) connect(config *tls.Config) (resumed bool, err error) {
	c, err := dial(h.Address, false, "")
	if err != nil {
		return false, err
	}
	t := tls.Client(c, config)
	defer func() { _ = t.Close() }()
	if err := exchangeH1(t, h.Path, h.Content); err != nil {
		return false, err
	}
	return t.ConnectionState().DidResume, nil
}
