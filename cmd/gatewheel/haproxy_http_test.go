//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestHAProxyForwardsExpectedContent: a client that waits for 100 (Continue) gets it through HAProxy in HTTP
// mode, and its content goes both ways.
func TestHAProxyForwardsExpectedContent(t *testing.T) {
	c := serve(t, "--listen", "127.0.0.1:0")
	front := haproxyIn(t, "http", "", strings.TrimPrefix(c.urls[0], "http://"), "")
	content := bytes.Repeat([]byte("0123456789"), 20_000)
	tr := transport(1, false)
	tr.ExpectContinueTimeout = time.Hour
	defer tr.CloseIdleConnections()
	for _, path := range []string{"/echo", "/upload"} {
		request, err := http.NewRequestWithContext(t.Context(), "POST", "http://"+front+path, bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Expect", "100-continue")
		response, err := (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Do(request)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != 200 || path == "/echo" && !bytes.Equal(got, content) {
			t.Errorf("%s: status %d, %d bytes, %v", path, response.StatusCode, len(got), err)
		}
	}
}

// TestHAProxyHealthCheck: HAProxy's default check, OPTIONS of the root, finds the server up.
func TestHAProxyHealthCheck(t *testing.T) {
	c := serve(t, "--listen", "127.0.0.1:0")
	front := haproxyIn(t, "http", "option httpchk", strings.TrimPrefix(c.urls[0], "http://"), "check inter 20ms fall 1 rise 1")
	deadline := time.Now().Add(20 * time.Second)
	for checks := 0; checks < 3; time.Sleep(10 * time.Millisecond) {
		_, text := c.get("/count")
		var counts struct {
			Requests map[string]map[string]int
		}
		if err := json.Unmarshal([]byte(text), &counts); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		checks = counts.Requests["HTTP/1.0"]["204"]
		if time.Now().After(deadline) {
			t.Fatalf("%d checks are answered with 204, in %s", checks, text)
		}
	}
	response, err := http.Get("http://" + front + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != 200 {
		t.Errorf("answered %d", response.StatusCode)
	}
}
