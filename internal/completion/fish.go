package completion

import (
	"fmt"
	"slices"
	"strings"
)

// fish writes the script for fish 3 and later.
func (p *program) fish(b *strings.Builder) {
	fmt.Fprintf(b, `# fish completion for %[1]s

# Reports whether the command line has the command $argv[1], or no command where $argv is empty. With $argv[2], it also
# wants so many words after the command that are no flags.
function __%[1]s_command
	set -l given
	set -l skip no
	for word in (commandline -opc)[2..-1]
		if test $skip = yes
			set skip no
		else if contains -- $word %[2]s
			set skip yes
		else if not string match -q -- '-*' $word
			set -a given $word
		end
	end
	if test (count $argv) -eq 0
		test (count $given) -eq 0
		return
	end
	test "$given[1]" = $argv[1]; or return
	test (count $argv) -eq 1; or test (count $given) -eq (math $argv[2] + 1)
end

complete -c %[1]s -f
`, p.name, p.flagsWithValues())
	for _, f := range p.flags {
		p.fishFlag(b, "", f)
	}
	for _, c := range p.commands {
		fmt.Fprintf(b, "complete -c %s -n __%[1]s_command -a %s -d %s\n", p.name, c.name, quoted(c.help))
	}
	for _, c := range p.commands {
		condition := fmt.Sprintf(" -n '__%s_command %s'", p.name, c.name)
		for i, argument := range c.arguments {
			at := fmt.Sprintf(" -n '__%s_command %s %d'", p.name, c.name, i)
			if values := fishValue(argument); argument.kind > text {
				fmt.Fprintf(b, "complete -c %s%s%s\n", p.name, at, values)
			}
		}
		for _, f := range c.flags {
			p.fishFlag(b, condition, f)
		}
	}
}

// flagsWithValues returns the flags of all commands that are followed by a value.
func (p *program) flagsWithValues() string {
	var names []string
	for _, c := range p.commands {
		for _, f := range c.flags {
			if f.value.kind == none || slices.Contains(names, "--"+f.name) {
				continue
			}
			names = append(names, "--"+f.name)
			if f.short != 0 {
				names = append(names, fmt.Sprintf("-%c", f.short))
			}
		}
	}
	return strings.Join(names, " ")
}

func (p *program) fishFlag(b *strings.Builder, condition string, f flag) {
	fmt.Fprintf(b, "complete -c %s%s", p.name, condition)
	if f.short != 0 {
		fmt.Fprintf(b, " -s %c", f.short)
	}
	fmt.Fprintf(b, " -l %s", f.name)
	if f.value.kind != none {
		b.WriteString(" -r" + fishValue(f.value))
	}
	fmt.Fprintf(b, " -d %s\n", quoted(f.help))
}

func fishValue(v value) string {
	switch v.kind {
	case words:
		return " -f -a " + quoted(strings.Join(v.words, " "))
	case files:
		return " -F"
	case folders:
		return " -f -a '(__fish_complete_directories (commandline -ct))'"
	}
	return ""
}
