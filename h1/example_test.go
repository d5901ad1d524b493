package h1_test

import (
	"fmt"
	"strings"

	"github.com/gatewheel/gatewheel/h1"
)

// A turn: feed what was read, answer, and pull what is to be written. The second
// request is answered first and leaves second.
func Example() {
	loop := h1.NewShared(h1.Limits{})
	var c h1.Conn
	c.Init(loop)

	input := []byte("GET /a HTTP/1.1\r\nHost: example.org\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhello" +
		"GET /c HT") // the rest has not arrived yet
	var ev h1.Event
	var requests []uint64
	for more := true; more; {
		n, err := c.Next(input, &ev)
		if err != nil {
			fmt.Println(err) // the response is queued
		}
		input = input[n:]
		switch ev.Kind {
		case h1.Request:
			fmt.Println(ev.ID, ev.Head.Method, ev.Head.Path)
			requests = append(requests, ev.ID)
		case h1.Data:
			fmt.Printf("%d content %q\n", ev.ID, ev.Data)
		case h1.NeedMore, h1.Blocked, h1.Closed, h1.Switched:
			more = false
		}
	}
	fmt.Printf("kept %q\n", input)
	for i := len(requests) - 1; i >= 0; i-- {
		answer := fmt.Sprintf("answer %d\n", requests[i])
		if err := c.Respond(requests[i], &h1.Response{Status: 200, Bytes: []byte(answer)}); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Print(strings.ReplaceAll(string(c.Transmit(nil, 64<<10)), "\r\n", "\n"))
	// Output:
	// 1 GET /a
	// 2 POST /b
	// 2 content "hello"
	// kept "GET /c HT"
	// HTTP/1.1 200 OK
	// Content-Length: 9
	//
	// answer 1
	// HTTP/1.1 200 OK
	// Content-Length: 9
	//
	// answer 2
}

// A request and its response.
func ExampleClient() {
	var c h1.Client
	c.Init(h1.NewShared(h1.Limits{}))
	err := c.Request(&h1.ClientRequest{Method: "GET", Target: "/a", Authority: "example.org", Fields: []h1.Field{{Name: "Accept", Value: "*/*"}}})
	if err != nil {
		fmt.Println(err)
	}
	fmt.Print(strings.ReplaceAll(string(c.Transmit(nil, 64<<10)), "\r\n", "\n"))

	input := []byte("HTTP/1.1 103 Early Hints\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	var ev h1.ClientEvent
	for more := true; more; {
		n, err := c.Next(input, &ev)
		if err != nil {
			fmt.Println(err) // the connection is to be closed
		}
		input = input[n:]
		switch ev.Kind {
		case h1.Interim, h1.Final:
			fmt.Println(ev.Head.Status, ev.Head.Reason)
		case h1.Data:
			fmt.Printf("content %q\n", ev.Data)
		case h1.NeedMore, h1.Closed, h1.Switched:
			more = false
		}
	}
	fmt.Println("idle:", c.Idle())
	// Output:
	// GET /a HTTP/1.1
	// Host: example.org
	// Accept: */*
	//
	// 103 Early Hints
	// 200 OK
	// content "hello"
	// idle: true
}
