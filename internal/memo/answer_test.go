package memo

import (
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/internal/octets"
)

type fields = []octets.Field

var plain = fields{{Name: "Content-Type", Value: "text/plain"}, {Name: "X", Value: "1"}}

func TestAnswerMatchesTheSameHeadAlone(t *testing.T) {
	var a Answer
	if a.Match(200, plain, 7) != nil || a.Match(0, nil, 0) != nil {
		t.Error("the zero value matches")
	}
	a.Keep(200, plain, 7, []byte("encoded"))
	if got := string(a.Match(200, plain, 7)); got != "encoded" {
		t.Errorf("got %q", got)
	}
	for _, other := range []struct {
		status int
		fields fields
		second int64
	}{
		{201, plain, 7},
		{200, plain, 8},
		{200, plain[:1], 7},
		{200, append(plain[:1:1], octets.Field{Name: "X", Value: "2"}), 7},
		{200, append(plain[:1:1], octets.Field{Name: "Y", Value: "1"}), 7},
	} {
		if a.Match(other.status, other.fields, other.second) != nil {
			t.Errorf("%v matches", other)
		}
	}
}

func TestAnswerKeepsAHeadWithoutCredentials(t *testing.T) {
	for name, head := range map[string]fields{
		"Set-Cookie":  {{Name: "Set-Cookie", Value: "id=1"}},
		"many fields": make(fields, maxFields+1),
	} {
		var a Answer
		a.Keep(200, head, 7, []byte("encoded"))
		if a.Match(200, head, 7) != nil {
			t.Errorf("%s: it is kept", name)
		}
	}
	var a Answer
	a.Keep(200, plain, 7, []byte(strings.Repeat("x", maxBytes+1)))
	if a.Match(200, plain, 7) != nil {
		t.Error("a large head is kept")
	}
}

func TestAnswerDoesNotAllocate(t *testing.T) {
	var a Answer
	encoded := []byte("encoded")
	if n := testing.AllocsPerRun(100, func() {
		a.Keep(200, plain, 7, encoded)
		a.Match(200, plain, 7)
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
