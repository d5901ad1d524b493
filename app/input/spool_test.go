package input

import (
	"os"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
)

// The content of small files may be in memory when the peer leaves.
func TestNoFileIsLeftBehindAnEndedRequest(t *testing.T) {
	var ended *app.Request
	apptest.New(func(r *app.Request) app.Answer {
		ended = r
		return app.Ready(app.Empty(204))
	}).Do(apptest.Get("/"))
	dir := t.TempDir()
	s := &spool{r: ended}
	for range 3 {
		part := &Part{Name: "f", FileName: "a.txt", content: strings.NewReader("hello")}
		if f, err := s.save(part, MultipartOptions{Dir: dir}.withDefaults()); err != nil || f.Size != 5 {
			t.Fatalf("%+v, %v", f, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v are left, %v", left, err)
	}
}
