package files

import (
	"bytes"
	"fmt"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/internal/accept"
	"github.com/gatewheel/gatewheel/app/internal/entitytag"
)

// variant is a version of a file and how it is described: what each answer with it
// is made of. It does not change, so that all loops may use it.
type variant struct {
	validators
	size   int64
	kind   string
	coding string // accept.Identity: none
	// fields are those of a 304: Options.Fields and the ETag.
	fields app.Fields
	// content is that of a file that is held in memory; whole and unmodified are
	// then its 200 and 304.
	content           []byte
	whole, unmodified *app.Response
}

// newVariant returns a variant of the file of that name.
func newVariant(options *Options, name string, checked validators, size int64, kind string) *variant {
	v := &variant{validators: checked, size: size, kind: kind}
	v.fields = options.Fields.Clone(7)
	for i := range options.Cache {
		if options.Cache[i].matches(name) {
			v.fields.Set("Cache-Control", options.Cache[i].Control)
			break
		}
	}
	v.fields.Add("ETag", v.etag)
	return v
}

// isHeld reports whether the content is in memory.
func (v *variant) isHeld() bool { return v.whole != nil }

// isWeak reports whether the entity tag is weak.
func (v *variant) isWeak() bool { return entitytag.IsWeak(v.etag) }

// hold makes the answers that need nothing but the content.
func (v *variant) hold(content []byte) {
	v.content = content
	v.unmodified = &app.Response{Status: 304, Fields: v.fields}
	v.whole = &app.Response{
		Status:  200,
		Fields:  append(v.described(1), app.Field{Name: "Content-Type", Value: v.kind}),
		Content: app.Bytes(content),
	}
}

// described returns the fields of a 200 or 206 but for the content's own, with room
// for extra ones.
func (v *variant) described(extra int) app.Fields {
	fields := v.fields.Clone(3 + extra)
	if !v.modified.IsZero() {
		fields.Add("Last-Modified", v.lastModified())
	}
	fields.Add("Accept-Ranges", "bytes")
	if v.coding != accept.Identity {
		fields.Add("Content-Encoding", v.coding)
	}
	return fields
}

// answer evaluates the preconditions and the range of r. Without a content in memory
// it takes the file over. On the loop, if the content is in memory, else on the pool.
func (v *variant) answer(r *app.Request, file file) (resp *app.Response, err error) {
	defer func() {
		if file != nil && (resp == nil || resp.Content == nil) {
			file.Close()
		}
	}()
	if v.whole != nil && !isConditional(r.Fields) {
		return v.whole, nil
	}
	switch v.evaluate(r) {
	case 304:
		return &app.Response{Status: 304, Fields: v.fields}, nil
	case 412:
		return nil, &app.StatusError{Status: 412}
	}
	spans, err := requestedSpans(r, &v.validators, v.size)
	if err != nil {
		// RFC 9110 section 15.5.17.
		return nil, &app.StatusError{Status: 416, Err: err, Fields: app.Fields{{Name: "Content-Range", Value: fmt.Sprintf("bytes */%d", v.size)}}}
	}
	return v.spans(r, file, spans)
}

// spans answers with parts of the file; with all of it, if there are none.
func (v *variant) spans(r *app.Request, file file, spans []span) (*app.Response, error) {
	c := &fileContent{}
	if v.content != nil {
		c.from = bytes.NewReader(v.content)
	} else {
		c.from, c.file = file, file
	}
	fields, kind, status := v.described(2), v.kind, 206
	switch len(spans) {
	case 0:
		status = 200
		c.add("", span{0, v.size})
	case 1:
		fields.Add("Content-Range", spans[0].contentRange(v.size))
		c.add("", spans[0])
	default:
		kind = c.multipart(spans, kind, v.size)
	}
	fields.Add("Content-Type", kind)
	content, err := c.content(r)
	return &app.Response{Status: status, Fields: fields, Content: content}, err
}

// requestedSpans returns the parts that Range asks for; none: all.
func requestedSpans(r *app.Request, v *validators, size int64) ([]span, error) {
	// RFC 9110 section 14.2: Range is defined for GET only.
	field := r.Fields.Get("Range")
	if r.Method != "GET" || field == "" || !v.rangeApplies(r) {
		return nil, nil
	}
	return parseRange(field, size)
}
