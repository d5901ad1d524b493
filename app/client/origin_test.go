package client_test

import (
	"fmt"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/client"
)

// An origin that the program has asked for stays open however many URLs are asked for later.
func TestOriginsOfTheProgramStayOpen(t *testing.T) {
	f := newFront(t, "h2c", client.Options{}, hello)
	origin, err := f.client.Origin(f.url)
	if err != nil {
		t.Fatal(err)
	}
	f.request = func(r *app.Request, url string) *client.Request {
		return &client.Request{Origin: origin, Target: r.Target}
	}
	f.Do(get("/a")).Want(t, 200, "GET /a")
	other := newFront(t, "h2c", client.Options{}, hello)
	other.client = f.client
	for i := range 2000 {
		other.url = fmt.Sprintf("h2c://other%d:80", i)
		other.Do(get("/"))
	}
	f.Do(get("/b")).Want(t, 200, "GET /b")
}
