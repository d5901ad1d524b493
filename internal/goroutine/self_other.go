//go:build !amd64 && !arm64

package goroutine

// Self returns a value that no other living goroutine has.
func Self() uintptr { return uintptr(Number()) }
