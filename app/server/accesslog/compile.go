//go:build linux

package accesslog

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatewheel/gatewheel/internal/suggest"
)

// FormatError is a mistake in a format.
type FormatError struct {
	// Column is the place of the mistake in the format, in characters, from 1.
	Column int
	// Reason describes the mistake, with a suggestion where there is one.
	Reason string
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("access log format, column %d: %s", e.Column, e.Reason)
}

// maxFormat limits the text of a format.
const maxFormat = 4 << 10

// Compile compiles a format: common, combined, tiny, json, logfmt, or a text with atoms, see docs/access-log.md. The
// error is a *FormatError.
func Compile(format string) (*Format, error) {
	switch format {
	case "json":
		return &Format{render: renderJSON, showsEvent: true}, nil
	case "logfmt":
		return &Format{render: renderLogfmt, showsEvent: true}, nil
	}
	text, isPreset := presets[format]
	if !isPreset {
		text = format
	}
	if len(text) > maxFormat {
		return nil, &FormatError{Column: maxFormat + 1, Reason: fmt.Sprintf("a format has %d bytes at most", maxFormat)}
	}
	c := compiler{text: text, format: &Format{}}
	if err := c.compile(); err != nil {
		return nil, &FormatError{Column: utf8.RuneCountInString(text[:c.at]) + 1, Reason: err.Error()}
	}
	return c.format, nil
}

// compiler reads the text of a format.
type compiler struct {
	text   string
	at     int // of the next byte, and of a mistake
	format *Format
	quoted bool // the next atom is between quotation marks
}

func (c *compiler) compile() error {
	if !strings.Contains(c.text, "%") {
		names := slices.Sorted(maps.Keys(presets))
		return fmt.Errorf("%q has no atom such as %%h, and is none of %s%s", c.text, strings.Join(names, ", "), suggest.Name(c.text, names))
	}
	var literal []byte
	for c.at < len(c.text) {
		switch b := c.text[c.at]; {
		case b != '%':
			if b < 0x20 && b != '\t' || b == 0x7f {
				return fmt.Errorf("the control character %q would break lines", b)
			}
			if b == '"' {
				c.quoted = !c.quoted
			}
			literal = append(literal, b)
			c.at++
		case strings.HasPrefix(c.text[c.at:], "%%"):
			literal = append(literal, '%')
			c.at += 2
		default:
			s, err := c.atom()
			if err != nil {
				return err
			}
			s.literal, s.quoted = string(literal), c.quoted
			c.format.steps = append(c.format.steps, s)
			literal = nil
		}
	}
	if len(literal) > 0 {
		c.format.steps = append(c.format.steps, step{literal: string(literal)})
	}
	return nil
}

// atom reads an atom: %, modifiers, perhaps an argument in braces, and a letter.
func (c *compiler) atom() (s step, err error) {
	start := c.at
	c.at++
	if s.filter, err = c.modifiers(); err != nil {
		return s, err
	}
	argument, argumentAt, hasArgument := "", 0, false
	if c.at < len(c.text) && c.text[c.at] == '{' {
		end := strings.IndexByte(c.text[c.at:], '}')
		if end < 0 {
			return s, fmt.Errorf("the brace is not closed")
		}
		argument, argumentAt, hasArgument = c.text[c.at+1:c.at+end], c.at+1, true
		c.at += end + 1
	}
	if c.at == len(c.text) {
		c.at = start
		return s, fmt.Errorf("the letter of an atom is missing at the end; %%%% is a percent sign")
	}
	a := byLetter(c.text[c.at])
	switch {
	case a == nil:
		err = unknownLetter(c.text[c.at:], argument, hasArgument)
		c.at = start
		return s, err
	case hasArgument && a.compile == nil:
		c.at = start
		return s, fmt.Errorf("%%%c takes no argument: write %%%c", a.letter, a.letter)
	case !hasArgument && a.append == nil:
		c.at = start
		return s, fmt.Errorf("%%%c needs an argument: write %%{name}%c", a.letter, a.letter)
	}
	s.append, s.empty = a.append, a.empty
	if hasArgument {
		var offset int
		if s.append, offset, err = a.compile(c.format, argument); err != nil {
			c.at = argumentAt + offset
			return s, err
		}
	}
	c.at++
	return s, nil
}

// modifiers reads what may be between the percent sign and the atom: < or >, which choose between the first and the
// last status of internal redirects and have no effect here, and statuses, perhaps with ! before them.
func (c *compiler) modifiers() (*statuses, error) {
	var s *statuses
	for c.at < len(c.text) {
		switch b := c.text[c.at]; {
		case b == '<' || b == '>':
			c.at++
		case b == '!' || b >= '0' && b <= '9':
			if s != nil {
				return nil, fmt.Errorf("a second list of statuses")
			}
			s = &statuses{not: b == '!'}
			if s.not {
				c.at++
			}
			if err := c.codes(s); err != nil {
				return nil, err
			}
		default:
			return s, nil
		}
	}
	return s, nil
}

// codes reads statuses with commas between them.
func (c *compiler) codes(s *statuses) error {
	for {
		end := c.at
		for end < len(c.text) && c.text[end] >= '0' && c.text[end] <= '9' {
			end++
		}
		if end-c.at != 3 || c.text[c.at] == '0' {
			return fmt.Errorf("a status of three digits must be here")
		}
		code := 0
		for _, digit := range c.text[c.at:end] {
			code = 10*code + int(digit-'0')
		}
		s.codes = append(s.codes, code)
		c.at = end
		if c.at == len(c.text) || c.text[c.at] != ',' {
			return nil
		}
		c.at++
	}
}

// elsewhere has what to write in place of atoms of other servers.
var elsewhere = map[byte]string{
	'k': "%{conn_requests}x", 'L': "%{request_id}x", 'R': "%{route}x", 'S': "%I and %O", 'P': "%{loop}x", 'f': "%U", 'M': "%{ms}T",
	'c': "%X", '(': "%h in place of %(h)s",
}

// unknownLetter returns the error for an atom whose letter, the first one of rest, does not exist.
func unknownLetter(rest, argument string, hasArgument bool) error {
	r, _ := utf8.DecodeRuneInString(rest)
	name := fmt.Sprintf("%%%c", r)
	if hasArgument {
		name = fmt.Sprintf("%%{%s}%c", argument, r)
	}
	hint := ""
	switch {
	case hasArgument && named(argument) != nil:
		hint = fmt.Sprintf("%%{%s}x", argument)
	case rest[0] < utf8.RuneSelf && elsewhere[rest[0]] != "":
		hint = elsewhere[rest[0]]
	case rest[0] < utf8.RuneSelf && byLetter(rest[0]^0x20) != nil:
		hint = fmt.Sprintf("%%%c", rest[0]^0x20)
	}
	if hint != "" {
		return fmt.Errorf("unknown atom %s; did you mean %s?", name, hint)
	}
	return fmt.Errorf("unknown atom %s; %%%% is a percent sign", name)
}
