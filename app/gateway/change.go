package gateway

import (
	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// backendHost is the host of the rewrite that stands for that of the peer's URL.
const backendHost = "backend"

// change makes the changes of a case in the head of a request. The path must have been
// rewritten to one that is forwarded.
func (h *requestHead) change(r *app.Request, m *routing.Match) *refusal {
	if path, ok := m.RewrittenPath(); ok {
		if path == "" || path[0] != '/' || !octets.All(path, octets.Target) {
			return refusedTarget
		}
		if h.target = path; r.RawQuery != "" {
			h.target += "?" + r.RawQuery
		}
	}
	if host := m.Case.Config.Rewrite.Host; host != "" {
		h.authority = host
	}
	h.fields = m.Case.Request.Apply(h.fields)
	return nil
}
