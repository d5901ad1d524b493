// Package config describes a gateway: what its file says, as Go values. Programs that
// need no file make a Config themselves; Check finds its mistakes.
//
// The tag file names a field's key in the file, and the tag default says what holds
// without it. docs/gateway-file.md and the JSON Schema are made of the fields' comments.
package config

import (
	"net/netip"
	"time"
)

// Config is a gateway: which requests go where.
type Config struct {
	// Routes has the cases of each route by its pattern, [METHOD ][HOST]/PATH, with the
	// wildcards of net/http.ServeMux: {name} is one segment, {name...} the rest of the
	// path, {$} the end of a path behind its final slash. A path that ends in a slash
	// matches everything below it, and the path without the slash unless that is a route
	// of its own. A host may begin with *. for any number of labels. The most specific
	// pattern that has a case that holds wins: the exact host, then the longest wildcard,
	// then none; two that conflict are an error.
	Routes map[string]Cases `file:"routes" default:"needed"`
	// Backends has the backends by their names.
	Backends map[string]Backend `file:"backends" default:"none"`
	// Tests has requests and where they must go. gatewheel check runs them.
	Tests []Test `file:"tests" default:"none"`
}

// Cases are the cases of a route. The first that holds wins; if none does, the next less
// specific route is asked. In the file a backend's name or one case stands for a list.
type Cases []Case

// Case says what to do with requests. It has exactly one of To, Redirect and Respond.
type Case struct {
	// When has the conditions under which the case holds: all of them.
	When When `file:"when" default:"always"`
	// To is the backend, or several with their shares: {shop: 95, shop-next: 5}.
	To Shares `file:"to" default:"needed, or redirect, or respond"`
	// Rewrite changes the path and the host that are forwarded.
	Rewrite Rewrite `file:"rewrite" default:"path and host as they came"`
	// Request changes fields of the request.
	Request Edits `file:"request" default:"nothing"`
	// Response changes fields of the response.
	Response Edits `file:"response" default:"nothing"`
	// Timeout is the time until the response's head, retries included; 504 beyond.
	Timeout time.Duration `file:"timeout" default:"--request-timeout"`
	// TryTimeout is the time of one try until the response's head.
	TryTimeout time.Duration `file:"try-timeout" default:"none"`
	// Idle is the silence in both directions after which a stream, a WebSocket or an event
	// stream ends.
	Idle time.Duration `file:"idle" default:"60s; tunnels 1h"`
	// Retry is the number of further tries, or {tries, on, methods}.
	Retry *Retry `file:"retry" default:"1"`
	// Body is the largest content of a request; 413 beyond.
	Body Size `file:"body" default:"--max-body"`
	// Limit limits the rate of requests.
	Limit *Limit `file:"limit" default:"none"`
	// Concurrency is the number of requests in progress in this case at once; 503 with
	// Retry-After beyond.
	Concurrency int `file:"concurrency" default:"none"`
	// Mirror sends copies of requests, whose content fits the replay buffer, to further
	// backends: {backend: 10%}. Their responses are dropped.
	Mirror Mirror `file:"mirror" default:"none"`
	// Auth says who may ask.
	Auth *Auth `file:"auth" default:"everybody"`
	// Redirect is the location of a redirection. {name} stands for what a wildcard of the
	// pattern has matched, {$scheme}, {$host}, {$path} and {$query} for those of the
	// request. The request's query is kept unless the location has one.
	Redirect string `file:"redirect" default:"none"`
	// Status is the status of the redirection: 301, 302, 303, 307 or 308.
	Status int `file:"status" default:"302"`
	// Respond is a response of the gateway's own.
	Respond *Respond `file:"respond" default:"none"`
	// Compress compresses responses for clients that accept it.
	Compress bool `file:"compress" default:"off"`
	// Paths is raw to forward paths that readers may understand differently, which are
	// refused with 400 else: dot segments, %00, and an encoded slash or backslash where
	// patterns decide.
	Paths Paths `file:"paths" default:"refuse what is ambiguous"`
}

// Paths says what happens to paths that readers may understand differently.
type Paths string

// RawPaths forwards them.
const RawPaths Paths = "raw"

// Shares are the shares of requests that backends get, by their names. In the file a name
// stands for the whole.
type Shares map[string]int

// When has conditions. All must hold.
type When struct {
	// Header has conditions on fields of the request by their names. One holds if it holds
	// for a field line of that name.
	Header map[string]Match `file:"header" default:"any"`
	// Query has conditions on the first value of parameters of the query by their names,
	// decoded.
	Query map[string]Match `file:"query" default:"any"`
	// Cookie has conditions on the first value of cookies by their names.
	Cookie map[string]Match `file:"cookie" default:"any"`
	// Method has methods, one of which the request must have.
	Method []string `file:"method" default:"any"`
	// From has networks, in one of which the client's address must lie, as --trust-proxy
	// lets proxies name it.
	From []netip.Prefix `file:"from" default:"any"`
}

// Match is a condition on a value. In the file a text stands for the whole value.
type Match struct {
	// Text is the whole value. It does not count if another field is set.
	Text string
	// Prefix is the start of the value.
	Prefix string `file:"prefix" default:"any"`
	// Suffix is the end of the value.
	Suffix string `file:"suffix" default:"any"`
	// Regex is an expression of Go's package regexp that matches a part of the value; ^
	// and $ stand for its ends.
	Regex string `file:"regex" default:"any"`
	// Present asks for any value (true) or for none (false).
	Present Switch `file:"present" default:"true"`
}

// Rewrite changes what is forwarded.
type Rewrite struct {
	// Path is the path in place of the request's. {name} stands for what a wildcard of the
	// pattern has matched, as it came. The query is kept.
	Path string `file:"path" default:"as it came"`
	// Host is the host in place of the request's: backend is the one of the peer's URL,
	// anything else is sent as it is.
	Host string `file:"host" default:"as it came"`
}

// Edits change fields of a message. Pseudo-fields and the fields of framing and of
// connections are refused.
type Edits struct {
	// Set replaces the fields of a name by one.
	Set map[string]string `file:"set" default:"nothing"`
	// Add adds fields.
	Add map[string]string `file:"add" default:"nothing"`
	// Remove removes the fields of these names, before Set and Add.
	Remove []string `file:"remove" default:"nothing"`
}

// Retry is what is tried again, besides what was surely not processed. In the file a
// number stands for Tries.
type Retry struct {
	// Tries is the number of further tries, at most 10.
	Tries int `file:"tries" default:"1"`
	// On has the statuses of responses after which another try is made.
	On []int `file:"on" default:"none"`
	// Methods are the methods whose requests may be processed twice.
	Methods []string `file:"methods" default:"the idempotent ones"`
}

// Limit limits the rate of requests; 429 with Retry-After beyond.
type Limit struct {
	// Rate is the number of requests in a time: 100/s, 600/m, 1000/h.
	Rate Rate `file:"rate" default:"needed"`
	// Burst is the number of requests that may come at once.
	Burst int `file:"burst" default:"those of a second, at least 1"`
	// Key is whose requests are counted: client, or header:NAME.
	Key Key `file:"key" default:"client"`
	// Shared is the URL of a Redis server, redis://host:6379, that counts for several
	// gateways.
	Shared string `file:"shared" default:"only this gateway counts"`
}

// Auth says who may ask. One of its fields is set, and Copy with Ask.
type Auth struct {
	// Basic is an htpasswd file with bcrypt hashes (RFC 7617).
	Basic string `file:"basic" default:"none"`
	// JWT accepts bearer tokens (RFC 7519).
	JWT *JWT `file:"jwt" default:"none"`
	// Ask is a backend and a path, whose response decides: 2xx lets the request pass,
	// another one is the client's response.
	Ask Ask `file:"ask" default:"none"`
	// Copy has the fields of the response to Ask that the request gets.
	Copy []string `file:"copy" default:"none"`
}

// Ask is the target of forward-auth. In the file it is BACKEND PATH.
type Ask struct {
	// Backend is the name of the backend.
	Backend string
	// Path is the path, with an optional query.
	Path string
}

// JWT accepts bearer tokens.
type JWT struct {
	// JWKS is the URL or the file of the key set (RFC 7517).
	JWKS string `file:"jwks" default:"needed"`
	// Issuer is the issuer that a token must name.
	Issuer string `file:"issuer" default:"any"`
	// Audience has audiences, one of which a token must name.
	Audience []string `file:"audience" default:"any"`
	// Claims has the fields of the request that get the values of claims, by claim.
	Claims map[string]string `file:"claims" default:"none"`
}

// Respond is a response of the gateway's own.
type Respond struct {
	// Status is the status, from 200 to 599.
	Status int `file:"status" default:"200"`
	// Body is the content.
	Body string `file:"body" default:"empty"`
	// Fields has the fields.
	Fields map[string]string `file:"fields" default:"Content-Type: text/plain; charset=utf-8"`
}

// Mirror has the parts of requests of which backends get a copy, by their names. In the
// file a name stands for all.
type Mirror map[string]Percent

// Test is a request and where it must go.
type Test struct {
	// Request is a method and a URL.
	Request string `file:"request" default:"needed"`
	// Header has the fields of the request.
	Header map[string]string `file:"header" default:"none"`
	// From is the client's address.
	From string `file:"from" default:"192.0.2.1"`
	// Backend is the backend that the request must go to; of several with shares each is
	// accepted.
	Backend string `file:"backend" default:"not compared"`
	// Route is the pattern of the route that must be chosen.
	Route string `file:"route" default:"not compared"`
	// Status is the status with which the gateway must answer by itself.
	Status int `file:"status" default:"not compared"`
	// Location is the location of the redirection.
	Location string `file:"location" default:"not compared"`
	// Path is the path and query that must be forwarded.
	Path string `file:"path" default:"not compared"`
}
