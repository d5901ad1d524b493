// Package client holds the loads that packaged generators do not offer: WebSocket echoes with several messages in flight
// (Echo), chat rooms (Room), event streams (Events), TLS handshakes (Handshakes), requests at a fixed rate (Paced), and
// connections that stay open after one exchange (Hold).
//
// A load but Hold opens its connections and calls ready, which returns once the processor time of the server has been
// read. It then loads the server, and calls done with its result while all connections are still open, so that closing
// them is not measured. It closes them when done returns.
package client

import (
	"bufio"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Result is what a load has counted between ready and done.
type Result struct {
	Count   int64 // of messages, events or connections
	Elapsed time.Duration
}

// Patience bounds each exchange outside of a measured loop.
const Patience = 20 * time.Second

func dial(address string, secure bool, alpn string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", address, Patience)
	if err != nil || !secure {
		return c, err
	}
	// The certificate was made for this run; what is measured is not whom it names.
	t := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}})
	if err := t.Handshake(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return t, nil
}

// exchangeH1 asks for path and wants the content, no more and no less.
func exchangeH1(c net.Conn, path, content string) error {
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return err
	}
	r, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK || string(got) != content || r.Close {
		return fmt.Errorf("answered %s, %.100q", r.Status, got)
	}
	return c.SetDeadline(time.Time{})
}

// browsersLines are the further field lines of a browser's handshake, which has twelve lines with them.
const browsersLines = "Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n" +
	"DNT: 1\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n" +
	"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"

// upgrade makes a WebSocket of a connection with these further field lines, and wants compression accepted if
// they offer it. Nothing may follow the response's head unasked.
func upgrade(c net.Conn, address, path, lines string) error {
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	// RFC 6455 section 4.1: each connection has a key of its own.
	var random [16]byte
	_, _ = rand.Read(random[:])
	key := base64.StdEncoding.EncodeToString(random[:])
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n", path, address, key, lines)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(c, 1024)
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the WebSocket was declined: %s", response.Status)
	}
	// RFC 6455 section 1.3.
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	want := base64.StdEncoding.EncodeToString(sum[:])
	if got := response.Header.Get("Sec-WebSocket-Accept"); got != want {
		return fmt.Errorf("Sec-WebSocket-Accept is %q, not %q", got, want)
	}
	if !strings.EqualFold(response.Header.Get("Upgrade"), "websocket") {
		return errors.New("the answer does not name the protocol")
	}
	offered := strings.Contains(lines, "permessage-deflate")
	if got := response.Header.Get("Sec-WebSocket-Extensions"); strings.HasPrefix(got, "permessage-deflate") != offered {
		return fmt.Errorf("the extensions of the answer are %q", got)
	}
	if r.Buffered() > 0 {
		return errors.New("something follows the answer unasked")
	}
	return c.SetDeadline(time.Time{})
}
