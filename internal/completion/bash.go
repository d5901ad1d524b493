package completion

import (
	"fmt"
	"strings"
)

// bash writes the script for bash 4 and later. It works with and without the package bash-completion.
func (p *program) bash(b *strings.Builder) {
	fmt.Fprintf(b, `# bash completion for %[1]s

_%[1]s() {
	local current=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]} command= given=0 i
	COMPREPLY=()
	# readline takes the = of --flag=value as a word.
	if [[ $current == = ]]; then
		current=
	elif [[ $flag == = && COMP_CWORD -gt 1 ]]; then
		flag=${COMP_WORDS[COMP_CWORD-2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -* ]]; then
			if _%[1]s_has_value "$command ${COMP_WORDS[i]}"; then
				((i++))
				if [[ ${COMP_WORDS[i]} == = ]]; then
					((i++))
				fi
			fi
		elif [[ -z $command ]]; then
			command=${COMP_WORDS[i]}
		else
			((given++))
		fi
	done
	if _%[1]s_has_value "$command $flag"; then
		_%[1]s_value "$command $flag"
	elif [[ $current == -* ]]; then
		_%[1]s_words "$(_%[1]s_flags "$command")"
	elif [[ -z $command ]]; then
		_%[1]s_words %[2]s
	else
		_%[1]s_value "$command $given"
	fi
}

_%[1]s_words() {
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_%[1]s_paths() {
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen "$1" -- "$current")
}

`, p.name, quoted(p.commandNames()))
	p.bashFlags(b)
	p.bashHasValue(b)
	p.bashValues(b)
	fmt.Fprintf(b, "complete -F _%[1]s %[1]s\n", p.name)
}

func (p *program) commandNames() string {
	names := make([]string, len(p.commands))
	for i, c := range p.commands {
		names[i] = c.name
	}
	return strings.Join(names, " ")
}

// bashFlags writes the function that prints the flags of a command.
func (p *program) bashFlags(b *strings.Builder) {
	fmt.Fprintf(b, "_%s_flags() {\n\techo %s\n\tcase $1 in\n", p.name, quoted(flagNames(p.flags)))
	for _, c := range p.commands {
		if len(c.flags) > 0 {
			fmt.Fprintf(b, "\t%s) echo %s ;;\n", c.name, quoted(flagNames(c.flags)))
		}
	}
	b.WriteString("\tesac\n}\n\n")
}

func flagNames(flags []flag) string {
	names := make([]string, len(flags))
	for i, f := range flags {
		names[i] = "--" + f.name
	}
	return strings.Join(names, " ")
}

// bashHasValue writes the function that reports whether "COMMAND FLAG" is followed by a value.
func (p *program) bashHasValue(b *strings.Builder) {
	fmt.Fprintf(b, "_%s_has_value() {\n\tcase $1 in\n", p.name)
	for _, c := range p.commands {
		for _, f := range c.flags {
			if f.value.kind != none {
				fmt.Fprintf(b, "\t%s) ;;\n", bashPattern(c.name, f))
			}
		}
	}
	b.WriteString("\t*) return 1 ;;\n\tesac\n}\n\n")
}

// bashPattern returns the pattern that "COMMAND FLAG" matches.
func bashPattern(command string, f flag) string {
	pattern := fmt.Sprintf("'%s --%s'", command, f.name)
	if f.short != 0 {
		pattern += fmt.Sprintf(" | '%s -%c'", command, f.short)
	}
	return pattern
}

// bashValues writes the function that completes the value of "COMMAND FLAG", or of "COMMAND NUMBER", an argument
// after so many others.
func (p *program) bashValues(b *strings.Builder) {
	fmt.Fprintf(b, "_%s_value() {\n\tcase $1 in\n", p.name)
	for _, c := range p.commands {
		for _, f := range c.flags {
			p.bashValue(b, bashPattern(c.name, f), f.value)
		}
		for i, argument := range c.arguments {
			p.bashValue(b, fmt.Sprintf("'%s %d'", c.name, i), argument)
		}
	}
	b.WriteString("\tesac\n}\n\n")
}

func (p *program) bashValue(b *strings.Builder, pattern string, v value) {
	switch v.kind {
	case words:
		fmt.Fprintf(b, "\t%s) _%s_words %s ;;\n", pattern, p.name, quoted(strings.Join(v.words, " ")))
	case files:
		fmt.Fprintf(b, "\t%s) _%s_paths -f ;;\n", pattern, p.name)
	case folders:
		fmt.Fprintf(b, "\t%s) _%s_paths -d ;;\n", pattern, p.name)
	}
}
