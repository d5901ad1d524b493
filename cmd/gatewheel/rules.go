//go:build linux

package main

import (
	"fmt"
	"maps"
	neturl "net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// printRules prints what a case does besides choosing a backend, in the order in which it is done: a line for each key
// that it has.
func printRules(text *strings.Builder, k *config.Case) {
	line := func(key, format string, values ...any) {
		fmt.Fprintf(text, "%-8s %s\n", key, fmt.Sprintf(format, values...))
	}
	if k.Limit != nil {
		line("limit", "%s", rateText(k.Limit))
	}
	if k.Concurrency > 0 {
		line("concurrency", "%d requests in progress", k.Concurrency)
	}
	if k.Auth != nil {
		line("auth", "%s", authText(k.Auth))
	}
	if k.Body > 0 {
		line("body", "%d bytes at most", k.Body)
	}
	for _, name := range slices.Sorted(maps.Keys(k.Mirror)) {
		line("mirror", "%s, %.4g%%", name, float64(k.Mirror[name]))
	}
	if k.Retry != nil {
		line("retry", "%s", retryText(k.Retry))
	}
	for _, t := range []struct {
		key  string
		time time.Duration
	}{{"timeout", k.Timeout}, {"try-timeout", k.TryTimeout}, {"idle", k.Idle}} {
		if t.time > 0 {
			line(t.key, "%v", t.time)
		}
	}
	if k.Compress {
		line("compress", "on")
	}
	if edits := editsText(&k.Response); edits != "" {
		line("response", "%s", edits)
	}
}

func rateText(l *config.Limit) string {
	text := fmt.Sprintf("%g requests in %v", l.Rate.Count, l.Rate.Per)
	if l.Burst > 0 {
		text += fmt.Sprintf(", %d at once", l.Burst)
	}
	if l.Key == "" {
		text += ", by client"
	} else {
		text += ", by " + string(l.Key)
	}
	if l.Shared == "" {
		return text
	}
	if u, err := neturl.Parse(l.Shared); err == nil {
		text += ", counted by " + u.Redacted()
	}
	return text
}

func authText(a *config.Auth) string {
	switch {
	case a.JWT != nil:
		text := "a token with a key of " + a.JWT.JWKS
		if a.JWT.Issuer != "" {
			text += ", issuer " + a.JWT.Issuer
		}
		if len(a.JWT.Audience) > 0 {
			text += ", audience " + strings.Join(a.JWT.Audience, " or ")
		}
		return text
	case a.Basic != "":
		return "a password of " + a.Basic
	}
	return "the backend " + a.Ask.Backend + " is asked for " + a.Ask.Path
}

func retryText(r *config.Retry) string {
	text := fmt.Sprintf("%d further tries", r.Tries)
	if r.Tries == 1 {
		text = "1 further try"
	}
	if len(r.On) > 0 {
		var statuses []string
		for _, status := range r.On {
			statuses = append(statuses, strconv.Itoa(status))
		}
		text += ", also after " + strings.Join(statuses, ", ")
	}
	if len(r.Methods) > 0 {
		text += ", of " + strings.Join(r.Methods, ", ")
	}
	return text
}

// editsText returns what changes fields of the response, or "".
func editsText(e *config.Edits) string {
	var parts []string
	for _, name := range e.Remove {
		parts = append(parts, "without "+name)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		parts = append(parts, name+" set")
	}
	for _, name := range slices.Sorted(maps.Keys(e.Add)) {
		parts = append(parts, name+" added")
	}
	return strings.Join(parts, ", ")
}
