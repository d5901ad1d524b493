package ws

// assembler collects the pieces of messages.
type assembler struct{ message []byte }

// add appends a Data event. whole reports whether the message is complete.
func (a *assembler) add(ev *Event) (message []byte, whole bool) {
	a.message = append(a.message, ev.Data...)
	if !ev.Final {
		return nil, false
	}
	message, a.message = a.message, nil
	return message, true
}
