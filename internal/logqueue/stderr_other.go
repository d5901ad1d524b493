//go:build !unix

package logqueue

import "os"

// Write implements io.Writer.
func (StderrWriter) Write(p []byte) (int, error) { return os.Stderr.Write(p) }
