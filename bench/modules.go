package main

import (
	"runtime"
	"runtime/debug"
)

// goRival is a rival that is part of this program.
type goRival struct{ name, version string }

// rivalModules are the modules of the rivals, by the names of their servers.
var rivalModules = map[string]string{
	"fasthttp": "github.com/valyala/fasthttp",
	"gorilla":  "github.com/gorilla/websocket",
	"nbio":     "github.com/lesismal/nbio",
	"floor":    "github.com/panjf2000/gnet/v2",
	"grpc-go":  "google.golang.org/grpc",
}

// goRivals returns the rivals that this program was built with, and their versions.
func goRivals() []goRival {
	rivals := []goRival{{"net/http", runtime.Version()}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return rivals
	}
	for name, path := range rivalModules {
		for _, module := range info.Deps {
			if module.Path == path {
				rivals = append(rivals, goRival{name, module.Version})
			}
		}
	}
	return rivals
}
