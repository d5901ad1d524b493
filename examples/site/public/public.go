// Package public has the files of a site.
package public

import "embed"

// Files are the pages, and below assets what they load.
//
//go:embed *.html assets
var Files embed.FS

// Missing is the page for what does not exist.
//
//go:embed 404.html
var Missing string
