package gateway

import (
	"maps"
	"slices"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// Unsupported returns what c says and Open cannot do, so that nothing is ignored silently.
func Unsupported(c *config.Config) (missing []config.Problem) {
	add := func(at config.Place, key bool, text string) {
		missing = append(missing, config.Problem{Place: at, Key: key, Text: text + " is not implemented"})
	}
	for _, pattern := range slices.Sorted(maps.Keys(c.Routes)) {
		for i := range c.Routes[pattern] {
			unsupportedInCase(config.Place{"routes", pattern}.At(i), &c.Routes[pattern][i], add)
		}
	}
	return missing
}

func unsupportedInCase(at config.Place, k *config.Case, add func(at config.Place, key bool, text string)) {
	if k.TryTimeout > 0 {
		add(at.In("try-timeout"), true, "try-timeout")
	}
	if k.Retry != nil && len(k.Retry.On) > 0 {
		add(at.In("retry", "on"), true, "a retry after a response")
	}
	if k.Retry != nil && len(k.Retry.Methods) > 0 {
		add(at.In("retry", "methods"), true, "a retry of chosen methods")
	}
	if k.Limit != nil && k.Limit.Shared != "" {
		add(at.In("limit", "shared"), true, "a limit that gateways share")
	}
	if len(k.Mirror) > 0 {
		add(at.In("mirror"), true, "mirror")
	}
	if k.Auth != nil {
		add(at.In("auth"), true, "auth")
	}
}
