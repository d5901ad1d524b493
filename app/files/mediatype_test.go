package files_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/files"
)

// The media types do not depend on what is installed on the machine.
func TestMediaTypes(t *testing.T) {
	host, dir := fileHost(t, files.Options{})
	for name, want := range map[string]string{
		"a.otf": "font/otf", "a.ts": "video/mp2t", "a.webm": "video/webm", "a.webmanifest": "application/manifest+json",
		"a.js": "text/javascript; charset=utf-8", "a.MJS": "text/javascript; charset=utf-8", "a.wasm": "application/wasm",
		"a.woff2": "font/woff2", "a.svg": "image/svg+xml", "a.json": "application/json", "a.md": "text/markdown; charset=utf-8",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := host.Do(apptest.Get("/" + name)).Header.Get("Content-Type"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
