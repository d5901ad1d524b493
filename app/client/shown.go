package client

import (
	"strconv"
	"strings"
)

// maxShown is the number of bytes of a URL or target in an error text.
const maxShown = 100

// shownURL returns the URL for an error text: without userinfo, query and fragment, and cut
// after maxShown bytes.
func shownURL(url string) string {
	before, rest, ok := strings.Cut(url, "//")
	if ok {
		before += "//"
	} else {
		before, rest = "", url
	}
	// A password may have any byte, so all before the last @ may be userinfo.
	if i := strings.LastIndexByte(rest, '@'); i > 0 {
		rest = "..." + rest[i:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i] + rest[i:i+1] + "..."
	}
	return capped(before + rest)
}

// quoteTarget returns the target for an error text, quoted, without its query, and cut after
// maxShown bytes; then the first byte that no target has.
func quoteTarget(target string) string {
	path, _, hasQuery := strings.Cut(target, "?")
	text := capped(path)
	if hasQuery {
		text += "?..."
	}
	text = strconv.Quote(text)
	for i := range len(target) {
		if b := target[i]; b <= ' ' || b >= 0x7f || b == '#' {
			return text + " (" + strconv.Quote(target[i:i+1]) + " at byte " + strconv.Itoa(i) + ")"
		}
	}
	return text
}

// capped returns text, or its first maxShown bytes and dots.
func capped(text string) string {
	if len(text) > maxShown {
		return text[:maxShown] + "..."
	}
	return text
}
