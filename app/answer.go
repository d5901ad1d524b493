package app

// Answer is the result of a handler: a response, at once or later. Ready makes one of a
// response, Fail one of an error, and Map, Then, Go and Offload one of a result that
// has to be waited for. It is another name of Future[*Response].
type Answer = Future[*Response]

// Fail returns an answer that has failed with err. The peer gets ErrorResponse(err): that
// of a StatusError, for example, or a 500, whose reason the server logs. A nil err is
// ErrNoResponse. It does not allocate. Any goroutine.
func Fail(err error) Answer { return Answer{err: err} }

// Complete returns a future without a value that is ready, or has failed if err is not
// nil. It is for steps that return a Future[Done]: of Every, Body.Each, a Stream or a
// WebSocket. It does not allocate. Any goroutine.
func Complete(err error) Future[Done] { return Future[Done]{err: err} }

// Sync returns the handler that answers with the results of f, for requests that can be
// answered at once. f runs on the loop and must not block; what blocks belongs into Go,
// Offload or Blocking. If f returns an error, its response is closed, and the peer gets
// ErrorResponse of the error.
func Sync(f func(r *Request) (*Response, error)) Handler {
	return func(r *Request) Answer {
		resp, err := f(r)
		if err != nil {
			resp.Close()
			return Fail(err)
		}
		return Ready(resp)
	}
}
