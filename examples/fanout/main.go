//go:build linux

// Command fanout asks several servers at once and answers with what has come within 200 ms. To be complete, it is those
// servers itself: one of them is too slow.
package main

import (
	"context"
	"log"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/examples/internal/address"
)

// delays are the shops and the times that they take to answer.
var delays = map[string]time.Duration{"north": 0, "south": 50 * time.Millisecond, "east": time.Minute}

// shops asks the shops over cleartext HTTP/2: requests share a connection.
var shops = client.New(client.Options{})

// prices asks each shop and answers with a JSON object of the prices that have arrived in time.
func prices(r *app.Request) app.Answer {
	var names []string
	var asked []app.Future[string]
	for name := range delays {
		names = append(names, name)
		answer := shops.Do(r, &client.Request{URL: "h2c://" + address.FromArguments() + "/shops/" + name})
		asked = append(asked, app.Then(answer, content))
	}
	return app.Map(app.Collect(r, 200*time.Millisecond, asked...), func(outcomes []app.Outcome[string]) (*app.Response, error) {
		found := map[string]string{}
		for i, o := range outcomes {
			if o.Err == nil {
				found[names[i]] = o.Value
			}
		}
		return app.JSON(200, found), nil
	})
}

// content reads a response of at most 100 bytes.
func content(response *client.Response) app.Future[string] {
	return app.Map(response.Body.ReadAll(100), func(b []byte) (string, error) { return string(b), nil })
}

// shop answers with a price after its delay.
func shop(r *app.Request) app.Answer {
	delay, known := delays[r.PathValue("name")]
	if !known {
		return app.Ready(app.Error(404, "no such shop"))
	}
	return app.Map(app.Sleep(r, delay), func(app.Done) (*app.Response, error) { return app.Text(200, "1.99"), nil })
}

func main() {
	var r router.Router
	r.Handle("GET /prices", prices)
	r.Handle("GET /shops/{name}", shop)
	config := server.Config{Handler: r.Serve, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}
