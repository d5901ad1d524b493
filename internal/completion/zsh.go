package completion

import (
	"fmt"
	"strings"
)

// zsh writes the script, as a file of $fpath and as a text for source.
func (p *program) zsh(b *strings.Builder) {
	fmt.Fprintf(b, `#compdef %[1]s

_%[1]s() {
	local context state state_descr line
	typeset -A opt_args
	local -a commands=(
`, p.name)
	for _, c := range p.commands {
		fmt.Fprintf(b, "\t\t%s\n", quoted(c.name+":"+strings.ReplaceAll(c.help, ":", `\:`)))
	}
	b.WriteString("\t)\n\t_arguments -C")
	zshFlags(b, p.flags)
	b.WriteString(` \
		'1: :->command' \
		'*:: :->arguments'
	case $state in
	command) _describe -t commands command commands ;;
	arguments)
		case $words[1] in
`)
	for _, c := range p.commands {
		fmt.Fprintf(b, "\t\t%s) _%s_%s ;;\n", c.name, p.name, c.name)
	}
	b.WriteString("\t\tesac\n\t\t;;\n\tesac\n}\n")
	for _, c := range p.commands {
		fmt.Fprintf(b, "\n_%s_%s() {\n\t_arguments", p.name, c.name)
		zshFlags(b, p.flags)
		zshFlags(b, c.flags)
		for i, argument := range c.arguments {
			fmt.Fprintf(b, " \\\n\t\t%s", quoted(fmt.Sprintf("%d:%s", i+1, zshValue(argument))))
		}
		b.WriteString("\n}\n")
	}
	fmt.Fprintf(b, `
if [[ $funcstack[1] == _%[1]s ]]; then
	_%[1]s "$@"
else
	compdef _%[1]s %[1]s
fi
`, p.name)
}

func zshFlags(b *strings.Builder, flags []flag) {
	escaped := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)
	for _, f := range flags {
		help := "[" + escaped.Replace(f.help) + "]"
		long, short, repeat := "--"+f.name, "", ""
		if f.short != 0 {
			short = fmt.Sprintf("-%c", f.short)
		}
		if f.value.kind != none {
			long += "="
			help += ":" + zshValue(f.value)
		}
		if f.repeatable {
			repeat = "*"
		}
		fmt.Fprintf(b, " \\\n\t\t%s", quoted(repeat+long+help))
		if short != "" {
			fmt.Fprintf(b, " \\\n\t\t%s", quoted(repeat+short+help))
		}
	}
}

// zshValue returns the message and the action of _arguments for a value.
func zshValue(v value) string {
	name := strings.ReplaceAll(v.name, ":", `\:`) + ":"
	switch v.kind {
	case words:
		return name + "(" + strings.Join(v.words, " ") + ")"
	case files:
		return name + "_files"
	case folders:
		return name + "_files -/"
	}
	return name + " "
}
