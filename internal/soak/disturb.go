//go:build linux

package soak

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A disturbance is what an operator or a faulty handler does. An error is an unexplained failure.
type disturbance struct {
	name    string
	restart bool // only with Config.Restarts
	run     func(context.Context, *environment, *rand.Rand) error
}

var disturbances = []disturbance{
	{"new certificate", false, newCertificate},
	{"broken certificate", false, brokenCertificate},
	{"new gateway file", false, newGatewayFile},
	{"broken gateway file", false, brokenFile},
	{"short stall", false, shortStall},
	{"stall that is ended", false, longStall},
	{"stall behind the gateway", false, stallBehind},
	{"hot restart of the gateway", true, func(ctx context.Context, e *environment, _ *rand.Rand) error { return e.gateway.restart(ctx) }},
	{"hot restart of the application", true, func(ctx context.Context, e *environment, _ *rand.Rand) error { return e.serve.restart(ctx) }},
	{"hot restart that fails", true, failedRestart},
}

// disturb runs a disturbance and counts it.
func (e *environment) disturb(ctx context.Context, d disturbance, r *rand.Rand, number uint64) {
	begun := time.Now()
	e.ledger.disturb(d.name)
	defer e.ledger.disturb("")
	e.ledger.ran(d.name)
	if err := d.run(ctx, e, r); err != nil {
		e.ledger.unexplained(d.name, number, "", err)
		return
	}
	e.ledger.answered(d.name, 1)
	if e.config.Short {
		e.say("%s: %v", d.name, time.Since(begun).Round(time.Millisecond))
	}
}

// either draws one of the two programs.
func (e *environment) either(r *rand.Rand) *program {
	if r.IntN(2) == 0 {
		return e.serve
	}
	return e.gateway
}

// newCertificate replaces the certificate of a program, which must be shown to new clients after SIGHUP.
func newCertificate(ctx context.Context, e *environment, r *rand.Rand) error {
	p := e.either(r)
	serial, err := e.authority.issue(p.name)
	if err != nil {
		return err
	}
	if err := p.signal(unix.SIGHUP); err != nil {
		return err
	}
	return p.await(ctx, func() error { return e.authority.serves(p.secure, serial) })
}

// brokenCertificate makes the certificate's file unreadable for a while. The one before must stay in force.
func brokenCertificate(ctx context.Context, e *environment, r *rand.Rand) error {
	p := e.either(r)
	path := e.authority.path(p.name + ".pem")
	good, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	serial := e.authority.serials[p.name]
	if err := replace(path, []byte("-----BEGIN CERTIFICATE-----\nbroken\n")); err != nil {
		return err
	}
	_, refused := p.ask(http.MethodPost, "/reload", http.StatusUnprocessableEntity)
	signalled := p.signal(unix.SIGHUP)
	kept := e.authority.serves(p.secure, serial)
	repaired := replace(path, good)
	_, accepted := p.ask(http.MethodPost, "/reload", http.StatusOK)
	return errors.Join(refused, signalled, kept, repaired, accepted)
}

// newGatewayFile replaces the gateway's file, which must be in force after SIGHUP.
func newGatewayFile(ctx context.Context, e *environment, r *rand.Rand) error {
	e.generation++
	if err := replace(e.gatewayYAML, []byte(gatewayFile(e, e.generation, r))); err != nil {
		return err
	}
	if err := e.gateway.signal(unix.SIGHUP); err != nil {
		return err
	}
	return e.gateway.await(ctx, e.inForce)
}

// inForce returns nil if the gateway's file of the last generation is in force.
func (e *environment) inForce() error {
	client := e.newClient(http1)
	defer client.CloseIdleConnections()
	response, err := client.Get(e.gateway.url(http1, "/generation"))
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if want := fmt.Sprintf("generation %d\n", e.generation); err == nil && string(text) != want {
		err = wrong("the file in force says %q, want %q", text, want)
	}
	return err
}

// brokenFile makes the gateway's file invalid for a while. The one before must stay in force.
func brokenFile(_ context.Context, e *environment, _ *rand.Rand) error {
	good, err := os.ReadFile(e.gatewayYAML)
	if err != nil {
		return err
	}
	if err := replace(e.gatewayYAML, []byte(brokenGatewayFile)); err != nil {
		return err
	}
	_, refused := e.gateway.ask(http.MethodPost, "/reload", http.StatusUnprocessableEntity)
	signalled := e.gateway.signal(unix.SIGHUP)
	kept := e.inForce()
	repaired := replace(e.gatewayYAML, good)
	_, accepted := e.gateway.ask(http.MethodPost, "/reload", http.StatusOK)
	return errors.Join(refused, signalled, kept, repaired, accepted)
}

// shortStall keeps a loop of the application for less than --stall-timeout. The request is answered.
func shortStall(ctx context.Context, e *environment, r *rand.Rand) error {
	d := time.Duration(100+r.IntN(400)) * time.Millisecond
	status, err := stall(ctx, e.serve, d)
	if err == nil && status != 200 {
		err = wrong("a stall of %v has status %d", d, status)
	}
	return err
}

// longStall keeps a loop for longer. The connection is closed without a response.
func longStall(ctx context.Context, e *environment, _ *rand.Rand) error {
	status, err := stall(ctx, e.serve, 2*stallTimeout)
	if err == nil {
		return wrong("a stall for longer than --stall-timeout has status %d", status)
	}
	if !isClosed(err) {
		return err
	}
	e.ledger.explained("stall that is ended", Stalled)
	return nil
}

// stallBehind does the same behind the gateway, which answers with 502.
func stallBehind(ctx context.Context, e *environment, _ *rand.Rand) error {
	status, err := stall(ctx, e.gateway, 2*stallTimeout)
	if err == nil && status != http.StatusBadGateway {
		err = wrong("a stall for longer than --stall-timeout behind the gateway has status %d", status)
	}
	if err == nil {
		e.ledger.explained("stall behind the gateway", Stalled)
	}
	return err
}

// stall asks for a stall on a connection of its own, and returns the status.
func stall(ctx context.Context, p *program, d time.Duration) (int, error) {
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", p.plain)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintf(c, "GET /stall/%v HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", d, serverName); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// failedRestart begins a hot restart with a gateway file that is broken. The old process must go on.
func failedRestart(ctx context.Context, e *environment, _ *rand.Rand) error {
	good, err := os.ReadFile(e.gatewayYAML)
	if err != nil {
		return err
	}
	before := e.gateway.pid()
	lines := e.gateway.logged(restartFailed)
	if err := replace(e.gatewayYAML, []byte(brokenGatewayFile)); err != nil {
		return err
	}
	signalled := e.gateway.signal(unix.SIGUSR2)
	told := e.gateway.await(ctx, func() error {
		if e.gateway.logged(restartFailed) == lines {
			return wrong("the log does not tell of a hot restart that has failed")
		}
		return nil
	})
	repaired := replace(e.gatewayYAML, good)
	_, accepted := e.gateway.ask(http.MethodPost, "/reload", http.StatusOK)
	v, asked := e.gateway.version()
	if asked == nil && v.PID != before {
		asked = wrong("process %d serves after a hot restart that has failed, want %d", v.PID, before)
	}
	return errors.Join(signalled, told, repaired, accepted, asked, e.inForce())
}

// restartFailed is the message in the log of a hot restart that has failed.
const restartFailed = "restart failed, and this process serves on"

// logged returns how many lines of the log contain text.
func (p *program) logged(text string) int {
	content, err := os.ReadFile(p.log)
	if err != nil {
		return 0
	}
	return strings.Count(string(content), text)
}
