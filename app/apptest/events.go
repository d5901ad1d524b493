package apptest

import (
	"strconv"
	"strings"
	"time"
)

// Event is a server-sent event as the peer has got it.
type Event struct {
	// Name is the field event; a browser calls one without it "message".
	Name string
	// ID is the field id.
	ID string
	// Data has the lines of data, joined by line feeds.
	Data string
	// Retry is the field retry; 0 if there is none.
	Retry time.Duration
}

// Events returns the complete events in Content, which is an event stream (HTML Living Standard
// section 9.2.6). Comments are left out.
func (c *Call) Events() (events []Event) {
	text := strings.TrimPrefix(string(c.Content), "\ufeff")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for {
		block, rest, complete := strings.Cut(text, "\n\n")
		if !complete {
			return events
		}
		if e, ok := parseEvent(block); ok {
			events = append(events, e)
		}
		text = rest
	}
}

// parseEvent reports false for a block without a field.
func parseEvent(block string) (e Event, ok bool) {
	var data []string
	for line := range strings.SplitSeq(block, "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			e.Name = value
		case "id":
			e.ID = value
		case "data":
			data = append(data, value)
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				e.Retry = time.Duration(ms) * time.Millisecond
			}
		default:
			continue
		}
		ok = true
	}
	e.Data = strings.Join(data, "\n")
	return e, ok
}

// Piece is content that the peer got at one time.
type Piece struct {
	// At is the time since the start of the call.
	At   time.Duration
	Data string
}

// Pieces returns Content in the pieces in which the peer got it; what came at one time is one.
func (c *Call) Pieces() []Piece { return append([]Piece(nil), c.pieces...) }

// took adds p to the content that the peer has.
func (c *Call) took(p []byte) {
	if len(p) == 0 {
		return
	}
	c.Content = append(c.Content, p...)
	at := c.loop.Now().Sub(c.started)
	if last := len(c.pieces) - 1; last >= 0 && c.pieces[last].At == at {
		c.pieces[last].Data += string(p)
		return
	}
	c.pieces = append(c.pieces, Piece{at, string(p)})
}
