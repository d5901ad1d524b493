package input

import (
	"context"
	"errors"
	"io"
	"math"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/app"
)

// MultipartOptions limit what is read of multipart/form-data. The zero value has the
// defaults.
type MultipartOptions struct {
	// Limit is the largest content in bytes; 0 is 32 MiB.
	Limit int64
	// FileLimit is the largest file in bytes; 0 is Limit.
	FileLimit int64
	// ValueLimit is the largest size in bytes of all values and names together, which are
	// kept in memory; 0 is DefaultLimit.
	ValueLimit int64
	// Parts is the largest number of parts; 0 is 1000.
	Parts int
	// Dir is the directory of the temporary files; os.TempDir if it is empty.
	Dir string
}

func (o MultipartOptions) withDefaults() MultipartOptions {
	if o.Limit == 0 {
		o.Limit = 32 << 20
	}
	if o.FileLimit == 0 {
		o.FileLimit = o.Limit
	}
	if o.ValueLimit == 0 {
		o.ValueLimit = DefaultLimit
	}
	if o.Parts == 0 {
		o.Parts = 1000
	}
	// What is too large is read up to one byte beyond the limit.
	o.FileLimit, o.ValueLimit = min(o.FileLimit, math.MaxInt64-1), min(o.ValueLimit, math.MaxInt64-1)
	return o
}

// Part is a part of multipart/form-data (RFC 7578). It is read while it arrives.
type Part struct {
	// Name is the name of the form's field.
	Name string
	// FileName is the last element of the file's name on the peer's machine, which may be any
	// text but has no slash and is neither . nor ..; empty for a part that is no file.
	FileName string
	// ContentType is the type that the peer claims, or empty.
	ContentType string
	// Header has all fields of the part.
	Header textproto.MIMEHeader

	content io.Reader
}

// Read implements io.Reader. It blocks until content arrives and fails as
// app.BodyReader.Read does. In the goroutine that got the part, before it returns.
func (p *Part) Read(b []byte) (int, error) { return p.content.Read(b) }

// IsFile reports whether the part is a file.
func (p *Part) IsFile() bool { return p.FileName != "" }

// EachPart calls use for each part of the content of r, one after another, in a goroutine of
// its own (see app.Go). Of the options Limit and Parts apply. What use does not read of a
// part is skipped. An error of use ends the reading and is the failure of the future. The
// content type must be multipart/form-data. Besides the failures of the content (see the
// package) it fails as app.Go and app.BodyReader.Read do. On the loop.
func EachPart(r *app.Request, o MultipartOptions, use func(*Part) error) app.Future[app.Done] {
	const want = "multipart/form-data"
	o = o.withDefaults()
	parameters, err := contentType(r, want, func(mediaType string) bool { return mediaType == want })
	if err != nil {
		return app.Failed[app.Done](err)
	}
	boundary := parameters["boundary"]
	if boundary == "" || len(boundary) > 70 { // RFC 2046 section 5.1.1
		return app.Failed[app.Done](app.Statusf(400, "the Content-Type has no valid boundary"))
	}
	r.Body.Limit(o.Limit)
	return app.Go(r, func(context.Context) (app.Done, error) {
		source := &partSource{body: r.Body.Reader(), head: -1}
		return app.Done{}, source.each(multipart.NewReader(source, boundary), o.Parts, use)
	})
}

// partHead is the most that is read of the head of a part, in bytes. What is buffered beyond
// the head counts.
const partHead = 64 << 10

// partSource is the content that a multipart.Reader reads.
type partSource struct {
	body io.Reader
	head int   // what may still be read before the content of a part; -1: any number of bytes
	err  error // of the body
}

var errPartHead = app.Statusf(413, "the head of a part is larger than %d bytes", partHead)

// Read implements io.Reader.
func (s *partSource) Read(p []byte) (int, error) {
	if s.head >= 0 {
		if s.head == 0 {
			s.err = errPartHead
			return 0, s.err
		}
		p = p[:min(len(p), s.head)]
	}
	n, err := s.body.Read(p)
	if s.head >= 0 {
		s.head -= n
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// each calls use for each part, of at most that number.
func (s *partSource) each(parts *multipart.Reader, most int, use func(*Part) error) error {
	for n := 0; ; n++ {
		s.head = partHead
		part, err := parts.NextPart()
		s.head = -1
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return s.failure(err)
		case n == most:
			return app.Statusf(413, "the form has more than %d parts", most)
		case part.FormName() == "":
			return app.Statusf(400, "a part of the form has no name")
		case isPath(part.FileName()):
			return app.Statusf(400, "the file name %s is a path", quoted(part.FileName()))
		}
		content := &partContent{source: s, part: part}
		err = use(&Part{
			Name: part.FormName(), FileName: part.FileName(), ContentType: part.Header.Get("Content-Type"),
			Header: part.Header, content: content,
		})
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return err
		}
	}
}

// isPath reports whether the last element of a path is none that can name a file.
func isPath(element string) bool { return element == "/" || element == "." || element == ".." }

// failure returns the error for one of a multipart.Reader: that of the body, or a 400.
func (s *partSource) failure(err error) error {
	if s.err != nil {
		return s.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return &app.StatusError{Status: 400, Message: "the form ends too early", Err: err}
	}
	return &app.StatusError{Status: 400, Message: "the form is malformed: " + shortened(err.Error()), Err: err}
}

// partContent is the content of a part.
type partContent struct {
	source *partSource
	part   *multipart.Part
}

// Read implements io.Reader.
func (c *partContent) Read(p []byte) (int, error) {
	n, err := c.part.Read(p)
	if err != nil && err != io.EOF {
		err = c.source.failure(err)
	}
	return n, err
}

// Upload is what a form with files has.
type Upload struct {
	// Values has the parts that are no files.
	Values url.Values
	// Files are the files in the order of the form.
	Files []*File
}

// File returns the first file of the form's field of that name, or nil.
func (u *Upload) File(name string) *File {
	for _, f := range u.Files {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Multipart reads the content of r, an HTML form with files, and keeps the files in
// temporary files, which are removed when the request has ended. A file without a name and
// content, which browsers send for a field that is not filled in, is left out. It fails as
// EachPart does, and with an error of the file system. On the loop.
func Multipart(r *app.Request, o MultipartOptions) app.Future[*Upload] {
	o = o.withDefaults()
	form := &formReader{options: o, spool: spool{r: r}, upload: &Upload{Values: url.Values{}}, left: o.ValueLimit}
	return app.Map(EachPart(r, o, form.take), func(app.Done) (*Upload, error) { return form.upload, nil })
}

// formReader collects the parts of a form.
type formReader struct {
	options MultipartOptions
	spool   spool
	upload  *Upload
	left    int64 // bytes of values and names
}

func (f *formReader) take(p *Part) error {
	if f.left -= int64(len(p.Name) + len(p.FileName)); f.left < 0 {
		return f.tooLarge()
	}
	if p.IsFile() {
		file, err := f.spool.save(p, f.options)
		if err == nil {
			f.upload.Files = append(f.upload.Files, file)
		}
		return err
	}
	var value strings.Builder
	n, err := io.Copy(&value, io.LimitReader(p, f.left+1))
	if err != nil {
		return err
	}
	if f.left -= n; f.left < 0 {
		return f.tooLarge()
	}
	if !utf8.ValidString(value.String()) {
		return &FieldError{shortened(p.Name), app.Statusf(422, "the field %s is not valid UTF-8", quoted(p.Name))}
	}
	if _, isFile := p.Header["Content-Type"]; isFile && n == 0 {
		return nil
	}
	f.upload.Values.Add(p.Name, value.String())
	return nil
}

func (f *formReader) tooLarge() error {
	return app.Statusf(413, "the fields of the form are larger than %d bytes", f.options.ValueLimit)
}
