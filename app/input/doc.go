// Package input reads requests into values of Go: JSON, forms, files and queries.
//
// Functions that read content return futures, since content arrives over time; they are
// called on the loop and do not block it. Those that need no content return at once. What is
// wrong with a request is an *app.StatusError whose message names the place, or a *FieldError
// around one, so that handlers return it as it is:
//
//   - 400: the content or the query is malformed, or a parameter of the query is wrong;
//   - 413: the content, a file or a value is too large;
//   - 415: the content has another type, charset or coding (with Accept or Accept-Encoding);
//   - 422: the content is well-formed, but a field of it is wrong.
package input
