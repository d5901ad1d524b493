//go:build !poison

package h2

func lend(b []byte) []byte { return b }

func poisonLent(*Event) {}
