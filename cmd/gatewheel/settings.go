//go:build linux

package main

import (
	"fmt"
	neturl "net/url"
	"strings"

	"github.com/alecthomas/kong"
)

// settings are the flags of a command with the values in force, by their names.
type settings map[string]string

// settingsOf returns the flags of the command that was selected. URLs are without their passwords; flags name the
// files of other secrets.
func settingsOf(c *kong.Context) settings {
	all := settings{}
	for _, flag := range c.Flags() {
		if flag.Name != "help" && flag.Name != "version" {
			all[flag.Name] = settingText(c.FlagValue(flag))
		}
	}
	return all
}

// settingText formats the value of a flag as it is written on a command line.
func settingText(value any) string {
	switch value := value.(type) {
	case []string:
		texts := make([]string, len(value))
		for i, text := range value {
			texts[i] = withoutPassword(text)
		}
		return strings.Join(texts, ",")
	case []proxy:
		texts := make([]string, len(value))
		for i, p := range value {
			texts[i] = p.String()
		}
		return strings.Join(texts, ",")
	case []network:
		texts := make([]string, len(value))
		for i, n := range value {
			texts[i] = n.String()
		}
		return strings.Join(texts, ",")
	case string:
		return withoutPassword(value)
	}
	return fmt.Sprint(value)
}

func withoutPassword(text string) string {
	if u, err := neturl.Parse(text); err == nil && u.User != nil {
		return u.Redacted()
	}
	return text
}
