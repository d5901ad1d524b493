package events

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Event is one server-sent event, or a part of the stream that is none (HTML
// Living Standard, section 9.2). The text is UTF-8; what is not reaches a
// browser as U+FFFD.
//
// A browser hands an event to its listeners if it has a data field. One is
// written when Name or Data is set, and for the zero Event, which is a message
// with empty data. An Event of ID, ClearID, Retry or Comment alone changes the
// stream's state, or nothing, and no listener hears of it.
type Event struct {
	// Name is the event's type; "message" for the browser when empty. It has no
	// line break.
	Name string
	// Data is the event's content. Its lines may end with LF, CR or CRLF; all of
	// them arrive as LF.
	Data string
	// ID is what the browser sends as Last-Event-ID when it connects again. It
	// has neither a line break nor NUL.
	ID string
	// ClearID makes the browser forget the last ID. ID is then empty.
	ClearID bool
	// Retry is how long the browser waits before it connects again; 0 leaves
	// that as it is. Parts of a millisecond count as one.
	Retry time.Duration
	// Comment is for people who read the stream; several lines become several
	// comments.
	Comment string
}

// ErrEvent is the failure of sending an Event that cannot be written: a line
// break in Name or ID, NUL in ID, a negative Retry, or an ID together with
// ClearID. Nothing was queued.
var ErrEvent = errors.New("events: an event whose fields cannot be written")

// Append appends the event as it stands in the stream, or fails with ErrEvent.
func (e *Event) Append(dst []byte) ([]byte, error) {
	if strings.ContainsAny(e.Name, "\r\n") || strings.ContainsAny(e.ID, "\r\n\x00") ||
		e.Retry < 0 || e.ClearID && e.ID != "" {
		return dst, ErrEvent
	}
	if e.Comment != "" {
		dst = appendLines(dst, ":", e.Comment)
	}
	if e.Retry > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, int64((e.Retry+time.Millisecond-1)/time.Millisecond), 10)
		dst = append(dst, '\n')
	}
	switch {
	case e.ID != "":
		dst = appendLines(dst, "id:", e.ID)
	case e.ClearID:
		dst = append(dst, "id\n"...)
	}
	if e.Name != "" {
		dst = appendLines(dst, "event:", e.Name)
	}
	if e.Name != "" || e.Data != "" || *e == (Event{}) {
		dst = appendLines(dst, "data:", e.Data)
	}
	return append(dst, '\n'), nil
}

// appendLines writes each line of text as a line of its own behind prefix.
func appendLines(dst []byte, prefix, text string) []byte {
	for more := true; more; {
		line := text
		if i := strings.IndexAny(text, "\r\n"); i >= 0 {
			line = text[:i]
			if strings.HasPrefix(text[i:], "\r\n") {
				i++
			}
			text = text[i+1:]
		} else {
			more = false
		}
		dst = append(dst, prefix...)
		if line != "" {
			dst = append(dst, ' ')
			dst = append(dst, line...)
		}
		dst = append(dst, '\n')
	}
	return dst
}
