package input

import (
	"mime"
	"strings"

	"github.com/gatewheel/gatewheel/app"
)

// contentType returns the parameters of the content type, if accepts reports true for its
// media type, in lower case, and the content has no coding and no other charset than UTF-8
// or a part of it. Otherwise it fails with 415. want is the media type to ask for.
func contentType(r *app.Request, want string, accepts func(mediaType string) bool) (parameters map[string]string, err error) {
	text := r.Fields.Get("Content-Type")
	mediaType, parameters, err := mime.ParseMediaType(text)
	switch {
	case text == "":
		return nil, unsupported("the content has no Content-Type, "+want+" is expected", "Accept", want)
	case err != nil || len(r.Fields.Values("Content-Type")) > 1:
		return nil, unsupported("the Content-Type is malformed", "Accept", want)
	case !accepts(mediaType):
		return nil, unsupported("the content is "+shortened(mediaType)+", "+want+" is expected", "Accept", want)
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "us-ascii") {
		return nil, unsupported("the charset is "+shortened(charset)+", utf-8 is expected", "Accept", want+"; charset=utf-8")
	}
	if coding := r.Fields.Joined("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, unsupported("the content is encoded with "+shortened(coding), "Accept-Encoding", "identity")
	}
	return parameters, nil
}

// unsupported returns a 415 with a field that tells what is supported (RFC 9110 section
// 15.5.16).
func unsupported(message, field, value string) error {
	return &app.StatusError{Status: 415, Message: message, Fields: app.Fields{{Name: field, Value: value}}}
}
