package input

import (
	"net/url"
	"reflect"

	"github.com/gatewheel/gatewheel/app"
)

const urlencoded = "application/x-www-form-urlencoded"

// Form reads the content of r, an HTML form without files, into a struct, see Decode. The
// content type must be application/x-www-form-urlencoded. Besides the failures of the content
// (see the package) it fails as app.Body.ReadAll does, and with app.ErrPoolFull: content of
// 64 KiB and more is parsed on the pool. On the loop.
func Form[T any](r *app.Request, given ...Option) app.Future[T] {
	planOf(reflect.TypeFor[T]())
	return app.Map(FormValues(r, given...), func(values url.Values) (T, error) { return Decode[T](values, given...) })
}

// FormValues is like Form, without a struct.
func FormValues(r *app.Request, given ...Option) app.Future[url.Values] {
	if _, err := contentType(r, urlencoded, func(mediaType string) bool { return mediaType == urlencoded }); err != nil {
		return app.Failed[url.Values](err)
	}
	return app.Then(r.Body.ReadAll(collect(given).limit), func(content []byte) app.Future[url.Values] {
		return parsed(r, content, parseForm)
	})
}

func parseForm(content []byte) (url.Values, error) {
	values, err := url.ParseQuery(string(content))
	if err != nil {
		return nil, &app.StatusError{Status: 400, Message: "the form is malformed: " + err.Error(), Err: err}
	}
	return values, nil
}
