// Package libraries holds programs around libraries by others. It is a module of its own, so that they stay out of the main
// one.
package libraries
