// Command fanout is examples/fanout with net/http and chi.
package main

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/gatewheel/gatewheel/examples/internal/address"
)

// delays are the shops and the times that they take to answer.
var delays = map[string]time.Duration{"north": 0, "south": 50 * time.Millisecond, "east": time.Minute}

// prices asks each shop and answers with a JSON object of the prices that have arrived in time.
func prices(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 200*time.Millisecond)
	defer cancel()
	type offer struct{ name, price string }
	offers := make(chan offer, len(delays))
	for name := range delays {
		go func() { offers <- offer{name, price(ctx, name)} }()
	}
	found := map[string]string{}
	for range delays {
		if o := <-offers; o.price != "" {
			found[o.name] = o.price
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found)
}

// price asks a shop, and reads a response of at most 100 bytes. It is empty if there is none in time.
func price(ctx context.Context, name string) string {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://"+address.FromArguments()+"/shops/"+name, nil)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 100))
	if err != nil || response.StatusCode != http.StatusOK {
		return ""
	}
	return string(content)
}

// shop answers with a price after its delay.
func shop(w http.ResponseWriter, r *http.Request) {
	delay, known := delays[chi.URLParam(r, "name")]
	if !known {
		http.Error(w, "no such shop", http.StatusNotFound)
		return
	}
	select {
	case <-time.After(delay):
		_, _ = io.WriteString(w, "1.99")
	case <-r.Context().Done():
	}
}

func main() {
	r := chi.NewRouter()
	r.Get("/prices", prices)
	r.Get("/shops/{name}", shop)
	log.Fatal(http.ListenAndServe(address.FromArguments(), r))
}
