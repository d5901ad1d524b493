// Package octets has functions that the HTTP machines and the application interface share
// about the bytes of a message: classes of octets, comparison without case,
// lists, decimal numbers, hosts, dates and status lines (RFC 9110, RFC 9112 and
// RFC 3986).
//
// All functions are pure and safe for concurrent use. None allocates unless its
// comment says so.
package octets
