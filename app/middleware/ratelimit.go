package middleware

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/rate"
)

// RateOptions describe a limit of the rate of requests.
type RateOptions struct {
	// Count requests may come in the time Per, of one key. 0 for Per is a second.
	Count float64
	Per   time.Duration
	// Burst is the number of requests that may come at once, after which they pass at the even rate: with 100 a
	// minute, one in 600 ms. 0 is Count, at least 1.
	Burst int
	// Key returns what requests are counted by, such as an account. It is called on the loop. A request
	// with the key "", and every request if Key is nil, is counted by the client's address
	// (app.Request.Client): an IPv4 address, or the first 64 bits of an IPv6 address. Clients on unix
	// sockets count as one.
	Key func(r *app.Request) string
	// Keys is the number of keys that are counted at a time, rounded up to a power of 2. 0 is 65536.
	// Each takes 16 bytes, which are allocated at once. Beyond it, the key that comes next to being
	// unused is forgotten, as if it had sent no request.
	Keys int
	// Name is the name of the limit in the fields of the response, "default" if empty.
	Name string
	// Quiet leaves RateLimit and RateLimit-Policy out, which cost an allocation or two.
	Quiet bool
}

// LimitRate limits the rate of requests by a key, on all loops together and without a lock. A
// request beyond the limit is answered with 429 (RFC 6585 section 4) and Retry-After. Responses
// tell what is left by RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers): the
// policy is Count in Per, if these are a whole number and whole seconds, otherwise the burst and the
// time in which one may come again; what is left is the number of requests that may come at once.
// LimitRate panics if an option is invalid.
//
// A gateway's limits, which several servers may share, are in package app/gateway/limit.
func LimitRate(options RateOptions) app.Middleware {
	if options.Burst == 0 {
		options.Burst = int(min(math.MaxInt32, max(1, options.Count)))
	}
	limit, err := rate.NewLimit(options.Count, options.Per, options.Burst)
	if err != nil {
		panic("middleware: LimitRate: " + err.Error())
	}
	name := or(options.Name, "default")
	if options.Keys < 0 || !octets.IsToken(name) {
		panic(fmt.Sprintf("middleware: LimitRate: %d keys, the name %q", options.Keys, name))
	}
	l := &rateLimit{
		limit: limit, table: rate.NewTable(options.Keys), key: options.Key, quiet: options.Quiet, name: `"` + name + `"`,
	}
	l.policy = l.name + policyOf(options, limit)
	return l.around
}

// policyOf returns the parameters of RateLimit-Policy, which has integers only: the quota q and the window w in seconds.
func policyOf(o RateOptions, limit rate.Limit) string {
	per := cmp.Or(o.Per, time.Second)
	if o.Count == math.Trunc(o.Count) && o.Count <= math.MaxInt32 && per%time.Second == 0 {
		return fmt.Sprintf(";q=%d;w=%d", int64(o.Count), per/time.Second)
	}
	return fmt.Sprintf(";q=%d;w=%s", limit.Burst, rate.Seconds(limit.Span()))
}

type rateLimit struct {
	limit  rate.Limit
	table  *rate.Table
	key    func(r *app.Request) string
	quiet  bool
	name   string // quoted
	policy string
}

func (l *rateLimit) around(next app.Handler) app.Handler {
	return func(r *app.Request) app.Answer {
		o := l.limit.Count(l.table, l.keyOf(r), l.table.Clock(r.Loop().Now()))
		if o.Wait > 0 {
			return app.Fail(l.refusal(o))
		}
		if l.quiet {
			return next(r)
		}
		return Changed(next.Try(r), func(resp *app.Response) *app.Response {
			changed := *resp
			changed.Fields = l.describe(resp.Fields.Clone(2), o)
			return &changed
		})
	}
}

func (l *rateLimit) keyOf(r *app.Request) uint64 {
	if l.key != nil {
		if text := l.key(r); text != "" {
			return l.table.OfText(text)
		}
	}
	return l.table.OfAddress(r.Client().Addr.Addr())
}

func (l *rateLimit) refusal(o rate.Outcome) *app.StatusError {
	fields := app.Fields{{Name: "Retry-After", Value: rate.Seconds(o.Wait)}}
	if !l.quiet {
		fields = l.describe(fields, o)
	}
	return &app.StatusError{Status: 429, Message: "too many requests", Fields: fields}
}

// describe adds what is left.
func (l *rateLimit) describe(fields app.Fields, o rate.Outcome) app.Fields {
	return append(fields,
		app.Field{Name: "RateLimit-Policy", Value: l.policy},
		app.Field{Name: "RateLimit", Value: l.name + ";r=" + strconv.Itoa(o.Remaining) + ";t=" + rate.Seconds(o.Full)})
}
