//go:build linux

package server

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/spi"
)

// endless is content that is not ready, and that may call back after it was closed.
type endless struct {
	spi.Source
	wait, waitEnd func()
}

func (e *endless) Length() int64            { return -1 }
func (e *endless) Read([]byte) (int, error) { return 0, nil }
func (e *endless) Wait(ready func())        { e.wait = ready }
func (e *endless) WaitEnd(ready func())     { e.waitEnd = ready }
func (e *endless) Trailers() (f app.Fields) { return nil }

// A reader whose content may still call it is not used for another response.
func TestSourceReaderThatIsAwaitedIsNotUsedAgain(t *testing.T) {
	for name, room := range map[string]int{"for content": 10, "for the end": 0} {
		t.Run(name, func(t *testing.T) {
			l := &loop{}
			x := &exchange{}
			x.stream.connection = &connection{loop: l}
			content := &endless{}
			first := l.sourceReader(x, content)
			if n, err := first.Read(make([]byte, room)); n != 0 || err != nil {
				t.Fatal(n, err)
			}
			if content.wait == nil && content.waitEnd == nil {
				t.Fatal("the content was not asked to call back")
			}
			first.free()
			if l.sourceReader(x, &endless{}) == first {
				t.Error("the callback of the first response reaches the second")
			}
		})
	}
}
