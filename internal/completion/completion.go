// Package completion writes scripts that complete a command line of kong in bash, zsh and fish. The scripts are
// complete in themselves: they do not run the program.
package completion

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Shells are the shells that Write knows.
var Shells = []string{"bash", "zsh", "fish"}

// Write writes the script for shell. The program has one level of commands, and all its flags before a command are
// without values.
//
// The values of a flag or an argument are completed by its tag complete: "files", "folders", or words separated by
// commas. Without the tag, an enumeration is completed by its values, and a value with the placeholder FILE or DIR by
// files or folders.
func Write(w io.Writer, shell string, app *kong.Application) error {
	p := programOf(app)
	var script strings.Builder
	switch shell {
	case "bash":
		p.bash(&script)
	case "zsh":
		p.zsh(&script)
	case "fish":
		p.fish(&script)
	default:
		return fmt.Errorf("no completion for the shell %q", shell)
	}
	_, err := io.WriteString(w, script.String())
	return err
}

// program is the part of a kong model that is completed.
type program struct {
	name     string
	flags    []flag // before and after each command
	commands []command
}

type command struct {
	name, help string
	flags      []flag
	arguments  []value
}

type flag struct {
	name       string
	short      rune // or 0
	help       string
	value      value
	repeatable bool
}

// value is the value of a flag or an argument.
type value struct {
	kind  valueKind
	name  string   // the placeholder
	words []string // of kind words
}

type valueKind int

const (
	none    valueKind = iota // the flag has no value
	text                     // nothing to complete
	words                    // one of a list
	files                    // the path of a file
	folders                  // the path of a directory
)

func programOf(app *kong.Application) *program {
	p := &program{name: app.Name, flags: flagsOf(app.Node)}
	for _, child := range app.Children {
		if child.Hidden {
			continue
		}
		c := command{name: child.Name, help: summary(child.Help), flags: flagsOf(child)}
		for _, argument := range child.Positional {
			c.arguments = append(c.arguments, valueOf(argument, strings.ToUpper(argument.Name)))
		}
		p.commands = append(p.commands, c)
	}
	return p
}

func flagsOf(node *kong.Node) (all []flag) {
	for _, f := range node.Flags {
		if f.Hidden {
			continue
		}
		made := flag{name: f.Name, short: f.Short, help: summary(f.Help), repeatable: f.IsCumulative()}
		if !f.IsBool() {
			made.value = valueOf(f.Value, f.PlaceHolder)
		}
		all = append(all, made)
		if f.IsBool() && f.Tag.Negatable != "" {
			all = append(all, flag{name: "no-" + f.Name, help: "not: " + made.help})
		}
	}
	return all
}

func valueOf(v *kong.Value, placeholder string) value {
	made := value{kind: text, name: placeholder}
	switch tag := v.Tag.Get("complete"); {
	case tag == "files" || tag == "" && placeholder == "FILE":
		made.kind = files
	case tag == "folders" || tag == "" && placeholder == "DIR":
		made.kind = folders
	case tag != "":
		made.kind, made.words = words, strings.Split(tag, ",")
	case v.Enum != "":
		made.kind, made.words = words, v.EnumSlice()
	}
	if made.name == "" {
		made.name = "VALUE"
	}
	return made
}

// summary returns the first sentence of a help text, or its first words where that is long.
func summary(help string) string {
	const most = 72
	if end := strings.Index(help, ". "); end >= 0 {
		help = help[:end]
	}
	help = strings.TrimSuffix(help, ".")
	if len(help) <= most {
		return help
	}
	end := strings.LastIndexByte(help[:most], ' ')
	return strings.TrimRight(help[:end], ",:;") + " ..."
}

// quoted returns text as one word of a shell. text has no backslash: fish alone reads those between single quotes.
func quoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
