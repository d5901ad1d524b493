package input

// DefaultLimit is the limit of content in bytes where no Limit is given.
const DefaultLimit = 1 << 20

// Option changes how input is read.
type Option func(*options)

type options struct {
	limit     int64
	knownOnly bool
}

// Limit limits the content to that number of bytes, in place of DefaultLimit. Longer content
// is a 413.
func Limit(bytes int64) Option { return func(o *options) { o.limit = bytes } }

// KnownFieldsOnly refuses fields and parameters that the struct does not have, which are
// ignored otherwise: in JSON, forms and queries.
func KnownFieldsOnly() Option { return func(o *options) { o.knownOnly = true } }

func collect(given []Option) options {
	o := options{limit: DefaultLimit}
	for _, set := range given {
		set(&o)
	}
	return o
}
