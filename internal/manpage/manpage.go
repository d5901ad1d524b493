// Package manpage writes manual pages in the macros of man(7), and describes the commands and flags of a kong model in
// them.
package manpage

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Page is a manual page that is being written. Texts are plain: the page escapes them, and sets flags such as --listen
// in bold.
type Page struct {
	roff   strings.Builder
	titled bool // the last line is a title
}

// New returns a page of section 1 with the sections NAME and SYNOPSIS. date is written as 2006-01-02 and may be empty.
func New(app *kong.Application, purpose, version, date string) *Page {
	p := &Page{}
	p.line(`.TH %s 1 "%s" %s`, argument(strings.ToUpper(app.Name)), date, argument(app.Name+" "+version))
	p.line(".ad l")
	p.Section("NAME")
	p.line(`%s \- %s`, escaped(app.Name), escaped(purpose))
	p.Section("SYNOPSIS")
	for i, command := range visible(app.Node) {
		if i > 0 {
			p.line(".br")
		}
		p.line("%s", synopsis(command))
	}
	return p
}

// WriteTo writes the page.
func (p *Page) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, p.roff.String())
	return int64(n), err
}

// Section begins a section.
func (p *Page) Section(title string) { p.title(".SH", strings.ToUpper(title)) }

// Subsection begins a subsection.
func (p *Page) Subsection(title string) { p.title(".SS", title) }

func (p *Page) title(macro, text string) {
	p.line("%s %s", macro, argument(text))
	p.titled = true
}

// Paragraph begins a paragraph.
func (p *Page) Paragraph(text string) {
	p.space()
	p.text(text)
}

// Items writes a list of terms, in bold, and their meanings.
func (p *Page) Items(items [][2]string) {
	for _, item := range items {
		p.line(".TP")
		p.line(`\fB%s\fR`, escaped(item[0]))
		p.text(item[1])
	}
}

// Verbatim writes lines as they are.
func (p *Page) Verbatim(lines string) {
	p.space()
	p.line(".EX")
	for line := range strings.Lines(lines) {
		p.line("%s", guarded(escaped(strings.TrimSuffix(line, "\n"))))
	}
	p.line(".EE")
}

// Shared is what two commands have in common and the page describes once.
type Shared struct {
	Detail string // the text below the first line of their help
	Flags  []*kong.Flag
}

// Command writes a subsection about a command: its help, its arguments, and its flags but for those in shared.
func (p *Page) Command(command *kong.Node, shared *Shared) {
	p.Subsection(command.FullPath())
	p.text(command.Help)
	if command.Detail != "" && command.Detail != shared.Detail {
		p.Paragraph(command.Detail)
	}
	for _, argument := range command.Positional {
		p.line(".TP")
		p.line(`\fI%s\fR`, escaped(strings.ToUpper(argument.Name)))
		p.text(argument.Help)
	}
	var group *kong.Group
	for _, flag := range command.Flags {
		if flag.Hidden || contains(shared.Flags, flag) {
			continue
		}
		if g := flag.Group; g != nil && (group == nil || g.Key != group.Key) {
			group = g
			p.Paragraph(g.Title + ":")
			p.describe(g)
		}
		p.flag(flag)
	}
}

// Flags writes flags, with a subsection for each of their groups.
func (p *Page) Flags(flags []*kong.Flag) {
	var group *kong.Group
	for _, flag := range flags {
		if g := flag.Group; g != nil && (group == nil || g.Key != group.Key) {
			group = g
			p.Subsection(g.Title)
			p.describe(g)
		}
		p.flag(flag)
	}
}

// describe writes the description of a group of flags. A description whose lines are indented stays as it is.
func (p *Page) describe(g *kong.Group) {
	switch {
	case strings.HasPrefix(g.Description, "  "):
		p.Verbatim(g.Description)
	case g.Description != "":
		p.text(g.Description)
	}
}

// InCommon returns what both commands have, the flags in the order of a.
func InCommon(a, b *kong.Node) *Shared {
	shared := &Shared{}
	if a.Detail == b.Detail {
		shared.Detail = a.Detail
	}
	for _, flag := range a.Flags {
		if !flag.Hidden && contains(b.Flags, flag) {
			shared.Flags = append(shared.Flags, flag)
		}
	}
	return shared
}

// contains reports whether flags has a flag of that name and meaning.
func contains(flags []*kong.Flag, flag *kong.Flag) bool {
	return slices.ContainsFunc(flags, func(f *kong.Flag) bool { return f.Name == flag.Name && f.Help == flag.Help })
}

// flag writes a flag, its help and its environment variable.
func (p *Page) flag(f *kong.Flag) {
	p.line(".TP")
	term := `\fB\-\-` + escaped(f.Name) + `\fR`
	switch {
	case f.IsBool() && f.Tag.Negatable != "":
		term += `, \fB\-\-no\-` + escaped(f.Name) + `\fR`
	case !f.IsBool():
		term += `=\fI` + escaped(f.FormatPlaceHolder()) + `\fR`
	}
	if f.Short != 0 {
		term = fmt.Sprintf(`\fB\-%c\fR, %s`, f.Short, term)
	}
	p.line("%s", term)
	p.text(f.Help)
	for _, variable := range f.Envs {
		p.line(`%s(%s)`, whole, escaped(variable))
	}
}

func visible(node *kong.Node) (commands []*kong.Node) {
	for _, child := range node.Children {
		if !child.Hidden {
			commands = append(commands, child)
		}
	}
	return commands
}

// synopsis returns the line of a command in SYNOPSIS: its name in bold, its arguments in italics.
func synopsis(command *kong.Node) string {
	line := `\fB` + escaped(command.FullPath()) + `\fR`
	if len(command.Flags) > 0 {
		line += ` [\fIflags\fR]`
	}
	for _, argument := range command.Positional {
		name := `\fI` + escaped(strings.ToUpper(argument.Name)) + `\fR`
		if !argument.Required {
			name = "[" + name + "]"
		}
		line += " " + name
	}
	return line
}

func (p *Page) line(format string, args ...any) {
	fmt.Fprintf(&p.roff, format+"\n", args...)
	p.titled = false
}

// space begins a paragraph, except below a title, where one begins by itself.
func (p *Page) space() {
	if !p.titled {
		p.line(".PP")
	}
}

// text writes words in lines of at most width bytes, with flags in bold.
func (p *Page) text(words string) {
	const width = 80
	line := ""
	for word := range strings.FieldsSeq(words) {
		word = flagInText.ReplaceAllString(escaped(word), whole+`\fB$0\fR`)
		if line != "" && len(line)+1+len(word) > width {
			p.line("%s", line)
			line = ""
		}
		if line == "" {
			line = guarded(word)
		} else {
			line += " " + word
		}
	}
	p.line("%s", line)
}

// whole begins a word that is not hyphenated, as a name that is searched or copied must not be.
const whole = `\%`

// flagInText matches a flag in text that has been escaped.
var flagInText = regexp.MustCompile(`\\-\\-[a-z0-9]+(\\-[a-z0-9]+)*`)

// characters escapes what roff does not print as it is written. A hyphen becomes a minus, which can be copied into a
// shell.
var characters = strings.NewReplacer(`\`, `\e`, "-", `\-`, "^", `\(ha`, "~", `\(ti`, "`", `\(ga`, "'", `\(aq`)

// escaped returns text as roff prints it, other than at the start of a line.
func escaped(text string) string { return characters.Replace(text) }

// guarded returns escaped text for the start of a line, where a dot would begin a request.
func guarded(text string) string {
	if strings.HasPrefix(text, ".") {
		return `\&` + text
	}
	return text
}

// argument returns text as an argument of a macro.
func argument(text string) string { return `"` + strings.ReplaceAll(escaped(text), `"`, `\(dq`) + `"` }
