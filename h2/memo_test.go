package h2

import (
	"fmt"
	"strings"
	"testing"
)

// Close forgets the last request, which may have credentials.
func TestRequestsAreForgottenWithTheirConnection(t *testing.T) {
	for _, name := range []string{"closed at once", "another request in between"} {
		t.Run(name, func(t *testing.T) {
			p := connect(t, Config{})
			for id := StreamID(1); id < 7; id += 2 {
				p.writes(p.headers(id, flagEndStream, get("authorization", "Basic b3BlbjpzZXNhbWU")...))
			}
			if !remembers(p.sh, "b3BlbjpzZXNhbWU") {
				t.Fatal("the request is not remembered at all")
			}
			if name != "closed at once" {
				p.writes(p.headers(7, flagEndStream, get("x", "1")...))
			}
			p.c.Close()
			if remembers(p.sh, "b3BlbjpzZXNhbWU") {
				t.Error("credentials outlive their connection")
			}
		})
	}
}

func remembers(sh *Shared, text string) bool {
	for i := range sh.memos {
		fields := sh.memos[i].head.Fields
		if strings.Contains(fmt.Sprint(fields[:cap(fields)]), text) {
			return true
		}
	}
	return false
}
