// Package limit limits the rate and the number of requests. Its limits are middleware, and what the
// keys limit and concurrency of a gateway's file stand for.
package limit
