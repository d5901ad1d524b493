package input

import "github.com/gatewheel/gatewheel/app"

// FieldError is the failure of a field or of a parameter that is wrong, missing or unknown.
// problem.Response adds its name to the response. Handlers may return one for a check of their own.
type FieldError struct {
	// Field is the name of the field or of the parameter; in JSON it is the path of names, such as
	// lines.price.
	Field string
	// Err has the status and the message of the response.
	Err *app.StatusError
}

// Error returns the text of Err.
func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }
