//go:build linux

package main

import "testing"

// TestPlacesApart: addresses that two listeners can have at the same time are accepted.
func TestPlacesApart(t *testing.T) {
	for _, pair := range [][2]string{
		{":0", ":0"},
		{":0", "127.0.0.1:0"},
		{":80", ":81"},
		{"127.0.0.1:80", "127.0.0.2:80"},
		{"127.0.0.1:80", "[::1]:80"},
		{"0.0.0.0:80", "[::1]:80"},
		{"unix:a.sock", "unix:b.sock"},
		{"unix:name", "unix:@name"},
		{"unix:a.sock", ":80"},
	} {
		c := serverFlags{listenFlags: listenFlags{Listen: pair[:]}}
		if all, err := c.listeners(nil); err != nil || len(all) != 2 {
			t.Errorf("%q: %d listeners, %v", pair, len(all), err)
		}
	}
}
