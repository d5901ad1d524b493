//go:build !poison

package h1

func poisonEvent(*Event) {}

func poisonBytes([]byte) {}

func poisonClientEvent(*ClientEvent) {}
