package deadline

const MinUnset = minUnset

// Places returns the number of places of a queue.
func Places(q *Queue) int { return len(q.places) }
