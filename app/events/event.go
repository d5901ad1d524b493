package events

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Event is a server-sent event, or another part of the stream (HTML Living Standard,
// section 9.2). Text is UTF-8; browsers replace invalid bytes with U+FFFD.
//
// A browser dispatches an event to its listeners if it has a data field. One is written
// if Name or Data is set, and for the zero Event, which is a message with empty data. An
// Event with ID, ClearID, Retry or Comment alone is not dispatched.
type Event struct {
	// Name is the type of the event, which is "message" if it is empty. It must not
	// contain line breaks.
	Name string
	// Data is the content of the event. Line breaks may be LF, CR or CRLF; they arrive
	// as LF.
	Data string
	// ID is the value of Last-Event-ID when the browser connects again. It must not
	// contain line breaks or NUL.
	ID string
	// ClearID makes the browser forget the last ID. ID must be empty.
	ClearID bool
	// Retry is the time that the browser waits before it connects again, rounded up to
	// milliseconds; 0 does not change it.
	Retry time.Duration
	// Comment is ignored by browsers. Each of its lines becomes a comment.
	Comment string
}

// ErrEvent reports an invalid Event, which was not queued: a line break in Name or ID,
// NUL in ID, a negative Retry, or an ID together with ClearID.
var ErrEvent = errors.New("events: an event whose fields cannot be written")

// Append appends the encoded event to dst. It returns ErrEvent if the event is invalid.
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

// appendLines appends each line of text with prefix before it.
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
