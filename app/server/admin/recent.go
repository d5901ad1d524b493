//go:build linux

package admin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap/zapcore"
)

// ring keeps the last values. Any goroutine.
type ring[T any] struct {
	mu   sync.Mutex
	all  []T
	next int
}

func (r *ring[T]) add(v T, limit int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) < limit {
		r.all = append(r.all, v)
		return
	}
	r.all[r.next] = v
	r.next = (r.next + 1) % limit
}

// newest returns the values, newest first, n at most.
func (r *ring[T]) newest(n int) []T {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := make([]T, 0, min(n, len(r.all)))
	for i := range min(n, len(r.all)) {
		newest = append(newest, r.all[(r.next+len(r.all)-1-i)%len(r.all)])
	}
	return newest
}

// Stall is a stall of a loop. Times are in seconds.
type Stall struct {
	Time   time.Time `json:"time"`
	Loop   int       `json:"loop"`
	For    float64   `json:"for_seconds"`
	Killed bool      `json:"killed"` // the loop was taken from the code that stalled it
	What   string    `json:"what,omitempty"`
	Stack  string    `json:"stack"`
}

// Stalls keeps the last stalls. The zero value is ready for use. Any goroutine.
type Stalls struct{ ring ring[Stall] }

const (
	maxStalls = 32
	maxStack  = 16 << 10
	maxLines  = 200
	maxText   = 2 << 10
)

// Add keeps a stall.
func (s *Stalls) Add(stall Stall) {
	stall.Stack, stall.What = cut(stall.Stack, maxStack), cut(stall.What, maxText)
	s.ring.add(stall, maxStalls)
}

// LogLine is a line of the log.
type LogLine struct {
	Time    time.Time `json:"time"`
	Level   string    `json:"level"`
	Message string    `json:"message"`
	Fields  string    `json:"fields,omitempty"` // name=value, in the order of names
}

// Recent is a zapcore.Core that keeps the last warnings and errors. It does not block. Make one with NewRecent.
type Recent struct {
	ring   *ring[LogLine]
	fields []zapcore.Field
}

// NewRecent returns a Recent.
func NewRecent() *Recent { return &Recent{ring: &ring[LogLine]{}} }

// Enabled implements zapcore.Core.
func (r *Recent) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (r *Recent) With(fields []zapcore.Field) zapcore.Core {
	return &Recent{r.ring, append(slices.Clip(r.fields), fields...)}
}

// Check implements zapcore.Core.
func (r *Recent) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if r.Enabled(e.Level) {
		return checked.AddCore(e, r)
	}
	return checked
}

// Write implements zapcore.Core.
func (r *Recent) Write(e zapcore.Entry, fields []zapcore.Field) error {
	encoded := zapcore.NewMapObjectEncoder()
	for _, f := range append(slices.Clip(r.fields), fields...) {
		if f.Key != "stack" && f.Key != "stacks" {
			f.AddTo(encoded)
		}
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(encoded.Fields)) {
		if text.Len() > 0 {
			text.WriteByte(' ')
		}
		if value, ok := encoded.Fields[name].(string); ok {
			fmt.Fprintf(&text, "%s=%q", name, value)
		} else {
			fmt.Fprintf(&text, "%s=%v", name, encoded.Fields[name])
		}
	}
	r.ring.add(LogLine{e.Time, e.Level.String(), cut(e.Message, maxText), cut(text.String(), maxText)}, maxLines)
	return nil
}

// Sync implements zapcore.Core.
func (r *Recent) Sync() error { return nil }

// cut returns the first bytes of text, limit at most, as valid UTF-8.
func cut(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
