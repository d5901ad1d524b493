//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "gatewheel: it runs on Linux only: its loops are built on epoll")
	os.Exit(1)
}
