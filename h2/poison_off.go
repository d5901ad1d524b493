//go:build !poison

package h2

const poisons = false

func lend(b []byte) []byte { return b }

func poisonLent(*Event) {}
