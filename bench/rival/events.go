package rival

import (
	"fmt"
	"net/http"
	"time"
)

// EventsPath is where a server sends an event a second.
const EventsPath = "/events"

// netHTTPEvents sends events from a goroutine a client, each after a flush.
func netHTTPEvents(o Options) error {
	return serveNetHTTP(o, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flusher, _ := w.(http.Flusher)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for n := 1; ; n++ {
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n); err != nil {
				return
			}
			flusher.Flush()
			select {
			case <-ticker.C:
			case <-r.Context().Done():
				return
			}
		}
	}))
}
