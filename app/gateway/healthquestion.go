package gateway

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// healthAsker asks one peer for its health.
type healthAsker struct {
	backend      *Backend
	url, address string
	timeout      time.Duration
	certificates func() *tls.Config // nil: those of the options
}

// question returns what a peer is asked. It blocks while certificates are loaded.
func (b *Backend) question(p *peer, c *config.Health, timeout time.Duration) (question, error) {
	a := &healthAsker{backend: b, url: p.url, address: p.address, timeout: timeout}
	o, err := a.origin()
	if err != nil {
		return nil, err
	}
	o.Close()
	switch {
	case c.TCP:
		return a.connect, nil
	case c.GRPC != nil:
		return a.grpc(*c.GRPC), nil
	}
	return a.request(c), nil
}

// origin returns an origin for one question.
func (a *healthAsker) origin() (*client.Origin, error) {
	options := a.backend.options
	options.Connect, options.Wait, options.Patience = a.timeout, a.timeout, -1
	options.Prologue = proxyHeader(a.backend.sharing.header, nil)
	if a.address != "" {
		options.Addresses = []string{a.address}
	}
	if load := options.Certificates; load != nil {
		options.Certificates = func(host string, protocols ...string) func() *tls.Config {
			if a.certificates == nil { // within question
				a.certificates = load(host, protocols...)
			}
			return a.certificates
		}
	}
	return a.backend.shared.client.NewOrigin(a.url, options)
}

// connect implements {tcp: true}.
func (a *healthAsker) connect(loop app.Loop, done func(error)) {
	o, err := a.origin()
	if err != nil {
		done(err)
		return
	}
	o.Connect(loop, func(err error) {
		o.Close()
		done(err)
	})
}

// send sends a request, and passes the response to judge, which calls done.
func (a *healthAsker) send(loop app.Loop, r *client.Request, done func(error), judge func(resp *client.Response, done func(error))) {
	o, err := a.origin()
	if err != nil {
		done(err)
		return
	}
	r.Origin, r.Timeout, r.Idle = o, a.timeout, a.timeout
	pending := a.backend.shared.client.SendOn(loop, r)
	late := false
	limit := loop.After(a.timeout, func() {
		late = true
		pending.Cancel()
	})
	pending.Response().Done(func(resp *client.Response, err error) {
		finish := func(err error) {
			limit.Stop()
			resp.Close()
			o.Close()
			if late {
				err = fmt.Errorf("no answer within %v", a.timeout)
			}
			done(err)
		}
		if err != nil {
			finish(err)
			return
		}
		judge(resp, finish)
	})
}

// userAgent names the gateway in its own requests.
const userAgent = "gatewheel-health"

// request implements a method and a path.
func (a *healthAsker) request(c *config.Health) question {
	method, path, _ := config.ParseRequestLine(c.Request) // checked before
	expect := c.Expect
	if len(expect) == 0 {
		expect = []config.StatusRange{{From: 200, To: 299}}
	}
	return func(loop app.Loop, done func(error)) {
		r := &client.Request{Method: method, Target: path, Fields: app.Fields{{Name: "User-Agent", Value: userAgent}}}
		a.send(loop, r, done, func(resp *client.Response, done func(error)) {
			for _, good := range expect {
				if good.From <= resp.Status && resp.Status <= good.To {
					done(nil)
					return
				}
			}
			done(fmt.Errorf("the status is %d", resp.Status))
		})
	}
}

// errNotServing is the answer of a service that is not SERVING.
var errNotServing = errors.New("the service is not serving")

// maxHealthContent limits what is read of an answer over gRPC, in bytes.
const maxHealthContent = 1 << 10

// grpc implements grpc.health.v1.Health/Check of a service.
func (a *healthAsker) grpc(service string) question {
	// message HealthCheckRequest { string service = 1; }
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	frame = append(frame, message...)
	return func(loop app.Loop, done func(error)) {
		r := &client.Request{
			Method: "POST", Target: "/grpc.health.v1.Health/Check", Content: app.Bytes(frame),
			Fields: app.Fields{{Name: "Content-Type", Value: "application/grpc"}, {Name: "TE", Value: "trailers"}, {Name: "User-Agent", Value: userAgent}},
		}
		a.send(loop, r, done, func(resp *client.Response, done func(error)) {
			resp.Body.ReadAll(maxHealthContent).Done(func(content []byte, err error) {
				if err == nil {
					err = judgeGRPC(resp, content)
				}
				done(err)
			})
		})
	}
}

// judgeGRPC returns nil for an answer that is SERVING.
func judgeGRPC(resp *client.Response, content []byte) error {
	status := resp.Trailers().Get("Grpc-Status") + resp.Fields.Get("Grpc-Status") // the latter in a response of a head alone
	if resp.Status != 200 || status != "0" {
		return fmt.Errorf("the status is %d, that of gRPC %q", resp.Status, status)
	}
	// message HealthCheckResponse { ServingStatus status = 1; }, where SERVING is 1.
	if len(content) != 7 || content[0] != 0 || content[4] != 2 || content[5] != 1<<3 || content[6] != 1 {
		return errNotServing
	}
	return nil
}
