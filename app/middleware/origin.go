package middleware

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// checkOrigin returns why text is not the serialization of an origin (RFC 6454 section 6.2)
// as browsers send it: scheme, host and port in lower case, without a default port.
func checkOrigin(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an origin: %w", text, err)
	case u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != text || strings.ToLower(text) != text:
		return fmt.Errorf("%q is not an origin: one has the form https://example.com:8443, in lower case", text)
	case strings.Contains(text, "*"):
		return fmt.Errorf("%q is not an origin: a wildcard stands in place of the first label, as in https://*.example.com", text)
	case u.Port() != "" && u.Port() == octets.DefaultPort(u.Scheme):
		return fmt.Errorf("%q is not an origin as browsers send it: without the default port", text)
	case !octets.ValidAuthority(u.Host):
		return fmt.Errorf("%q is not an origin: the host is malformed", text)
	}
	return nil
}

// origins is a set of origins.
type origins struct {
	any   bool
	exact map[string]bool
	below []originsBelow
}

// originsBelow are the origins of all hosts below a domain.
type originsBelow struct{ scheme, domain string } // "https://" and ".example.com:8443"

// newOrigins returns the set of the origins in list: "https://example.com",
// "https://*.example.com" (hosts below it, but not itself) and, for all, "*".
func newOrigins(list []string) (origins, error) {
	o := origins{exact: map[string]bool{}}
	for _, text := range list {
		if text == "*" {
			o.any = true
			continue
		}
		scheme, host, _ := strings.Cut(text, "://")
		if domain, ok := strings.CutPrefix(host, "*."); ok {
			if err := checkOrigin(scheme + "://" + domain); err != nil {
				return o, err
			}
			o.below = append(o.below, originsBelow{scheme + "://", "." + domain})
			continue
		}
		if err := checkOrigin(text); err != nil {
			return o, err
		}
		o.exact[text] = true
	}
	return o, nil
}

// has reports whether the set names the origin. Wildcards for all are not considered.
func (o *origins) has(origin string) bool {
	if o.exact[origin] {
		return true
	}
	for _, b := range o.below {
		host, ok := strings.CutPrefix(origin, b.scheme)
		if !ok {
			continue
		}
		if labels, ok := strings.CutSuffix(host, b.domain); ok && areLabels(labels) {
			return true
		}
	}
	return false
}

// areLabels reports whether s consists of the labels of a host's name, so that what follows
// is a part of the same name.
func areLabels(s string) bool {
	for label := range strings.SplitSeq(s, ".") {
		if label == "" {
			return false
		}
		for i := range len(label) {
			if b := label[i]; !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '-' || b == '_') {
				return false
			}
		}
	}
	return true
}
