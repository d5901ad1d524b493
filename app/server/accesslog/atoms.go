//go:build linux

package accesslog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/suggest"
)

// letter is an atom of one letter.
type letter struct {
	letter byte
	help   string
	// append appends the value without an argument; nil: the argument is required.
	append func(l *line)
	// empty is set if no value is nothing, in place of "-".
	empty bool
	// compile returns the function for the argument of %{argument}; nil: the atom takes none. The error is about the
	// byte at that offset in the argument.
	compile func(f *Format, argument string) (value func(l *line), offset int, err error)
	// argument describes the argument.
	argument string
}

// letters are the atoms of one letter, those of Apache's mod_log_config first.
var letters = []letter{
	{letter: 'a', help: "address of the client, as a trusted proxy names it", append: byName("client"),
		argument: "`c`: address of the peer of the connection", compile: fixed(map[string]func(l *line){"c": peerHost})},
	{letter: 'A', help: "local address", append: localHost},
	{letter: 'B', help: "bytes of response content", append: byName("content_out")},
	{letter: 'b', help: "bytes of response content, `-` for 0", append: func(l *line) {
		if l.rec.Out != 0 {
			l.number(l.rec.Out)
		}
	}},
	{letter: 'C', argument: "name: the value of that cookie of the request", compile: withCookie},
	{letter: 'd', help: "duration of the request in seconds with three decimals",
		append: func(l *line) { l.buf = appendSeconds(l.buf, l.rec.Total, 3) }},
	{letter: 'D', help: "duration of the request in microseconds", append: func(l *line) { l.number(l.rec.Total.Microseconds()) }},
	{letter: 'h', help: "as `%a`; names are not looked up", append: byName("client")},
	{letter: 'H', help: "protocol", append: byName("protocol")},
	{letter: 'i', argument: "name: the field lines of that name of the request, joined by commas",
		compile: withFields(func(l *line) app.Fields { return l.r.Fields })},
	{letter: 'I', help: "bytes received, with the head", append: byName("received")},
	{letter: 'l', help: "always `-`: the user by RFC 1413", append: func(*line) {}},
	{letter: 'm', help: "method", append: byName("method")},
	{letter: 'o', argument: "name: the field lines of that name of the response, joined by commas",
		compile: func(f *Format, name string) (func(l *line), int, error) {
			f.response = append(f.response, name)
			return withFields(func(l *line) app.Fields { return l.rec.Fields })(f, name)
		}},
	{letter: 'O', help: "bytes sent, with the head", append: byName("sent")},
	{letter: 'p', help: "local port", append: localPort,
		argument: "`canonical` or `local`: local port; `remote`: port of the peer",
		compile:  fixed(map[string]func(l *line){"canonical": localPort, "local": localPort, "remote": remotePort})},
	{letter: 'q', help: "query with its `?`, as received, or nothing", append: query, empty: true},
	{letter: 'r', help: "first line of the request: method, target and protocol", append: requestLine},
	{letter: 's', help: "status that was sent, 0 if none; `%>s` and `%<s` are the same", append: byName("status")},
	{letter: 't', help: "arrival of the request, as in `[28/Nov/2026:21:30:00 +0000]`",
		append:   func(l *line) { l.buf = l.times.append(l.buf, slotCommon, l.r.Arrived, renderCommon) },
		argument: "`sec`, `msec`, `usec` (since 1970), `msec_frac`, `usec_frac`, or a format of strftime; after `begin:` or `end:` of the arrival or the end",
		compile: func(f *Format, argument string) (func(l *line), int, error) {
			a, offset, err := compileTime(argument, f.nextSlot())
			if err != nil {
				return nil, offset, err
			}
			return a.append, 0, nil
		}},
	{letter: 'T', help: "duration of the request in seconds, rounded down", append: func(l *line) { l.number(int64(l.rec.Total / time.Second)) },
		argument: "`s`, `ms` or `us`: its unit", compile: fixed(map[string]func(l *line){
			"s":  func(l *line) { l.number(int64(l.rec.Total / time.Second)) },
			"ms": func(l *line) { l.number(l.rec.Total.Milliseconds()) },
			"us": func(l *line) { l.number(l.rec.Total.Microseconds()) },
		})},
	{letter: 'u', help: "user of Basic authentication as the client names it, verified or not", append: byName("user")},
	{letter: 'U', help: "path, as received", append: func(l *line) { path, _ := splitTarget(l.rec.Target); appendText(l, path) }},
	{letter: 'v', help: "host as the client names it, without port", append: hostName},
	{letter: 'X', help: "connection at the end of the response: `X` the request was cut short, `+` kept, `-` closed", append: connectionStatus},
	{letter: 'x', argument: "a named value, see below", compile: withVariable},
}

// byLetter returns the atom of that letter, or nil.
func byLetter(b byte) *letter {
	for i := range letters {
		if letters[i].letter == b {
			return &letters[i]
		}
	}
	return nil
}

// byName returns the function of a variable. The table of variables is complete when it is called first.
func byName(name string) func(l *line) {
	v := named(name)
	return v.append
}

// fixed compiles an argument that is one of a few words.
func fixed(words map[string]func(l *line)) func(*Format, string) (func(l *line), int, error) {
	return func(_ *Format, argument string) (func(l *line), int, error) {
		if value := words[argument]; value != nil {
			return value, 0, nil
		}
		names := slices.Sorted(maps.Keys(words))
		return nil, 0, fmt.Errorf("unknown argument {%s}: it is one of %s", argument, strings.Join(names, ", "))
	}
}

// withVariable compiles %{name}x.
func withVariable(f *Format, argument string) (func(l *line), int, error) {
	v := named(argument)
	if v == nil {
		names := make([]string, len(variables))
		for i := range variables {
			names[i] = variables[i].name
		}
		return nil, 0, fmt.Errorf("unknown name in %%{%s}x%s", argument, suggest.Name(argument, names))
	}
	f.showsEvent = f.showsEvent || v.name == "event"
	return v.append, 0, nil
}

// withFields compiles %{Name}i and %{Name}o.
func withFields(of func(l *line) app.Fields) func(*Format, string) (func(l *line), int, error) {
	return func(_ *Format, name string) (func(l *line), int, error) {
		if !octets.IsToken(name) {
			return nil, 0, fmt.Errorf("%q is no name of a field", name)
		}
		return func(l *line) { appendFields(l, of(l), name) }, 0, nil
	}
}

// appendFields appends the values of all lines with that name. A single one is not copied.
func appendFields(l *line, fields app.Fields, name string) {
	first, count := "", 0
	for i := range fields {
		if !octets.EqualFold(fields[i].Name, name) {
			continue
		}
		switch count++; count {
		case 1:
			first = fields[i].Value
		case 2:
			l.parts = append(append(l.parts[:0], first...), ", "...)
			l.parts = append(l.parts, fields[i].Value...)
		default:
			l.parts = append(append(l.parts, ", "...), fields[i].Value...)
		}
	}
	if count > 1 {
		appendText(l, l.parts)
	} else {
		appendText(l, first)
	}
}

// withCookie compiles %{name}C.
func withCookie(_ *Format, name string) (func(l *line), int, error) {
	if !octets.IsToken(name) {
		return nil, 0, fmt.Errorf("%q is no name of a cookie", name)
	}
	return func(l *line) { appendText(l, cookie(l, name)) }, 0, nil
}

func peerHost(l *line) {
	if peer := l.rec.Conn.Peer; peer.IsValid() {
		l.buf = peer.Addr().AppendTo(l.buf)
	} else {
		appendText(l, l.rec.Conn.PeerName)
	}
}

func localHost(l *line) {
	if local := l.rec.Conn.Local; local.IsValid() {
		l.buf = local.Addr().AppendTo(l.buf)
	}
}

func localPort(l *line) {
	if local := l.rec.Conn.Local; local.IsValid() {
		l.number(int64(local.Port()))
	}
}

func remotePort(l *line) {
	if peer := l.rec.Conn.Peer; peer.IsValid() {
		l.number(int64(peer.Port()))
	}
}

// query appends the query of the target with its question mark.
func query(l *line) {
	if _, query := splitTarget(l.rec.Target); query != "" {
		l.buf = append(l.buf, '?')
		appendText(l, query)
	}
}

// splitTarget returns path and query of a target as it was received, whatever middleware has made of the request. The
// path of "*" and of an authority is the whole.
func splitTarget(target string) (path, query string) {
	if target != "" && target[0] != '/' {
		if _, rest, ok := strings.Cut(target, "://"); ok {
			i := strings.IndexAny(rest, "/?")
			if i < 0 {
				return "/", ""
			}
			target = rest[i:]
		}
	}
	path, query, _ = strings.Cut(target, "?")
	return path, query
}

// requestLine appends method, target and protocol. What was not understood of a refused head is "-".
func requestLine(l *line) {
	if l.r.Method == "" && l.rec.Target == "" {
		return
	}
	for i, part := range [3]string{l.r.Method, l.rec.Target, l.r.Protocol} {
		if i > 0 {
			l.buf = appendEscaped(l.buf, " ", l.quoted)
		}
		if part == "" {
			l.buf = append(l.buf, '-')
		}
		appendText(l, part)
	}
}

// hostName appends the host of the authority without its port.
func hostName(l *line) {
	host := l.r.Authority
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	appendText(l, host)
}

// connectionStatus appends the status of the connection after the response, as Apache's %X.
func connectionStatus(l *line) { l.buf = append(l.buf, l.rec.Conn.KeepAlive) }
