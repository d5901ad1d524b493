//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// curlActs returns the acts of curl over one protocol.
func curlActs(protocol string) func(*testing.T, *clientSite, string) outcomes {
	return func(t *testing.T, s *clientSite, url string) outcomes {
		t.Helper()
		p := protocol
		if strings.HasPrefix(url, "https") {
			p = strings.TrimSuffix(p, "-prior-knowledge")
		}
		dir := t.TempDir()
		file, tag := filepath.Join(dir, "content"), filepath.Join(dir, "tag")
		// again makes a request and keeps what the one before has written, as -C needs it.
		again := func(path string, args ...string) string {
			t.Helper()
			cmd := s.command(t, "curl", append(append([]string{"-sS", "--max-time", "25", "--cacert", s.certificate, p,
				"-w", "%{http_code}", "-o", file}, args...), url+path)...)
			upload, err := os.Open(s.upload)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = upload.Close() }()
			cmd.Stdin = upload
			status, stderr := ends(t, cmd)
			content, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			return outcome(status, content) + stderr
		}
		ask := func(path string, args ...string) string {
			t.Helper()
			_ = os.Remove(file)
			return again(path, args...)
		}
		refused := ""
		for range 8 {
			refused += " " + ask("/upload", "-X", "POST", "-H", "Expect:", "-T", s.tooLarge)[:3]
		}
		got := outcomes{
			"get":                     ask("/"),
			"upload":                  ask("/upload", "--data-binary", "@"+s.upload),
			"upload without length":   ask("/upload", "-X", "POST", "-T", "-"),
			"download":                ask("/file/large", "--etag-save", tag),
			"download without length": ask("/stream/10MiB"),
			"range":                   ask("/file/large", "-r", "1000-5999"),
			"suffix range":            ask("/file/large", "-r", "-5000"),
			"range beyond the end":    ask("/file/large", "-r", "20000000-")[:3],
			"unchanged":               ask("/file/large", "--etag-compare", tag),
			"too large":               refused[1:],
			"too large, with Expect":  ask("/upload", "-X", "POST", "-H", "Expect: 100-continue", "-T", s.tooLarge)[:3],
		}
		half(t, s.download, file)
		got["continued"] = again("/file/large", "-C", "-")
		return got
	}
}

// half writes the first half of a file to another one, as an interrupted download does.
func half(t *testing.T, whole, part string) {
	t.Helper()
	content := contentOf(t, whole)
	if err := os.WriteFile(part, content[:len(content)/2], 0o600); err != nil {
		t.Fatal(err)
	}
}

var wgetStatus = regexp.MustCompile(`(?m)^  HTTP/1\.1 (\d{3}) `)

func wgetActs(t *testing.T, s *clientSite, url string) outcomes {
	t.Helper()
	dir := t.TempDir()
	// again makes a request whose content goes to file, which -c and -N look at before.
	again := func(file, path string, args ...string) string {
		t.Helper()
		cmd := s.command(t, "wget", append(append([]string{"--no-config", "-S", "--tries=1", "--timeout=25", "--ca-certificate=" + s.certificate},
			args...), url+path)...)
		cmd.Dir = dir
		_, log := ends(t, cmd)
		status := wgetStatus.FindStringSubmatch(log)
		switch {
		case status == nil:
			return log
		case status[1] >= "300":
			return status[1]
		}
		return outcome(status[1], contentOf(t, filepath.Join(dir, file)))
	}
	ask := func(path string, args ...string) string {
		t.Helper()
		return again("content", path, append([]string{"-O", "content"}, args...)...)
	}
	refused := ""
	for range 8 {
		refused += " " + ask("/upload", "--post-file="+s.tooLarge)
	}
	got := outcomes{
		"get":                     ask("/"),
		"upload":                  ask("/upload", "--post-file="+s.upload),
		"download":                again("large", "/file/large", "-N"),
		"download without length": ask("/stream/10MiB"),
		"unchanged":               again("large", "/file/large", "-N"),
		"too large":               refused[1:],
	}
	half(t, s.download, filepath.Join(dir, "large"))
	got["continued"] = again("large", "/file/large", "-c")
	return got
}

// nghttpStatus is the line of nghttp's statistics for the one request.
var nghttpStatus = regexp.MustCompile(`(?m)^ +\d+ .* (\d{3}) +\S+ /\S*$`)

// nghttpAsk returns the outcome of a request.
func nghttpAsk(t *testing.T, s *clientSite, url string, args ...string) string {
	t.Helper()
	stdout, stderr := ends(t, s.command(t, "nghttp", append(append([]string{"-s", "--no-dep", "-t", "25"}, args...), url)...))
	content, statistics, _ := strings.Cut(stdout, "***** Statistics *****")
	status := nghttpStatus.FindStringSubmatch(statistics)
	if status == nil {
		return stderr + statistics
	}
	return outcome(status[1], []byte(content))
}

func nghttpActs(t *testing.T, s *clientSite, url string) outcomes {
	t.Helper()
	return outcomes{
		"get":                     nghttpAsk(t, s, url+"/"),
		"upload":                  nghttpAsk(t, s, url+"/upload", "-d", s.upload),
		"download":                nghttpAsk(t, s, url+"/file/large"),
		"download without length": nghttpAsk(t, s, url+"/stream/10MiB"),
		"range":                   nghttpAsk(t, s, url+"/file/large", "-H", "Range: bytes=1000-5999"),
		"too large, once":         nghttpAsk(t, s, url+"/upload", "-d", s.tooLarge)[:3],
	}
}

func nghttpTinyActs(t *testing.T, s *clientSite, url string) outcomes {
	t.Helper()
	return outcomes{
		"get":   nghttpAsk(t, s, url+"/", "-w", "1"),
		"range": nghttpAsk(t, s, url+"/file/large", "-w", "1", "-H", "Range: bytes=1000-5999"),
	}
}

// number returns the number that pattern's group finds in text, or 0.
func number(text, pattern string) int {
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// many describes the responses to the requests of a load generator.
func many(done, good, bad, size int) string {
	switch {
	case good == done && bad == 0:
		return fmt.Sprintf("%d done, all with 2xx, %d bytes", done, size)
	case good == 0 && bad == done:
		return "all with 4xx"
	}
	return fmt.Sprintf("%d done, %d with 2xx, %d with 4xx", done, good, bad)
}

func h2loadActs(options ...string) func(*testing.T, *clientSite, string) outcomes {
	return func(t *testing.T, s *clientSite, url string) outcomes {
		t.Helper()
		ask := func(path string, requests int, args ...string) string {
			t.Helper()
			args = append(append(append([]string{"-t", "1", "-c", "2", "-N", "25", "-n", strconv.Itoa(requests)}, options...), args...), url+path)
			report, stderr := ends(t, s.command(t, "h2load", args...))
			if done := number(report, `(\d+) done`); done != requests || number(report, `(\d+) errored`) > 0 {
				return report + stderr
			}
			return many(requests, number(report, `(\d+) 2xx`), number(report, `(\d+) 4xx`), number(report, `headers.*\((\d+)\) data`))
		}
		got := outcomes{
			"many":           ask("/", 100, "-m", "10"),
			"many uploads":   ask("/upload", 4, "-d", s.upload),
			"many downloads": ask("/file/large", 2),
		}
		// Over HTTP/1.1 h2load counts a response as an error when its connection closes before the upload is sent.
		if !slices.Contains(options, "--h1") {
			got["many too large"] = ask("/upload", 2, "-d", s.tooLarge) // each waits a second for RST_STREAM
		}
		return got
	}
}

func abActs(options ...string) func(*testing.T, *clientSite, string) outcomes {
	return func(t *testing.T, s *clientSite, url string) outcomes {
		t.Helper()
		kept := 0
		ask := func(path string, requests int, args ...string) string {
			t.Helper()
			args = append(append(append([]string{"-s", "25", "-c", "2", "-n", strconv.Itoa(requests)}, options...), args...), url+path)
			report, stderr := ends(t, s.command(t, "ab", args...))
			done := number(report, `Complete requests: +(\d+)`)
			if done != requests || number(report, `Failed requests: +(\d+)`) > 0 {
				return report + stderr
			}
			bad := min(done, number(report, `Non-2xx responses: +(\d+)`)) // ab counts responses beyond -n
			kept = max(kept, number(report, `Keep-Alive requests: +(\d+)`))
			return many(done, done-bad, bad, number(report, `HTML transferred: +(\d+)`))
		}
		got := outcomes{
			"many":           ask("/", 100),
			"many uploads":   ask("/upload", 4, "-p", s.upload),
			"many downloads": ask("/file/large", 2),
			"many too large": ask("/upload", 8, "-p", s.tooLarge),
		}
		if kept > 0 {
			got["kept alive"] = strconv.Itoa(kept)
		}
		return got
	}
}
