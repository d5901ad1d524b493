// Package address has the address that an example listens on.
package address

import "os"

// FromArguments returns the program's first argument, or 127.0.0.1:8080.
func FromArguments() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	return "127.0.0.1:8080"
}
