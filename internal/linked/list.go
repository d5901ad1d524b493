// Package linked has a doubly linked list whose links are part of its elements, so that adding and removing an element
// allocates nothing and takes the same time wherever it stands.
package linked

// Links are the neighbours of an element in the one list that it can be in. An element embeds them.
type Links[T any] struct{ previous, next *T }

// Linked returns l. It is how a List gets at the links of its elements.
func (l *Links[T]) Linked() *Links[T] { return l }

// Next returns the element behind, in the order of Push; nil for the last.
func (l *Links[T]) Next() *T { return l.next }

// element is a pointer to a struct that embeds Links.
type element[T any] interface {
	*T
	Linked() *Links[T]
}

// List is a queue from whose middle elements can be removed. The zero value is empty. It is not safe for concurrent use.
type List[T any, P element[T]] struct {
	first, last P
	length      int
}

// First returns the oldest element, or nil.
func (l *List[T, P]) First() P { return l.first }

// Len returns the number of elements.
func (l *List[T, P]) Len() int { return l.length }

// Push appends e, which must be in no list.
func (l *List[T, P]) Push(e P) {
	*e.Linked() = Links[T]{previous: l.last}
	if l.last == nil {
		l.first = e
	} else {
		l.last.Linked().next = e
	}
	l.last = e
	l.length++
}

// Pop removes and returns the oldest element. The list must not be empty.
func (l *List[T, P]) Pop() P {
	e := l.first
	l.Remove(e)
	return e
}

// Remove removes e, which must be in the list.
func (l *List[T, P]) Remove(e P) {
	links := e.Linked()
	if links.previous == nil {
		l.first = links.next
	} else {
		P(links.previous).Linked().next = links.next
	}
	if links.next == nil {
		l.last = links.previous
	} else {
		P(links.next).Linked().previous = links.previous
	}
	*links = Links[T]{}
	l.length--
}
