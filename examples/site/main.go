//go:build linux

// Command site serves files that are part of the program: compressed, with entity tags and times in caches.
package main

import (
	"context"
	"log"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/compress"
	"github.com/gatewheel/gatewheel/app/files"
	"github.com/gatewheel/gatewheel/app/middleware"
	"github.com/gatewheel/gatewheel/app/router"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/examples/internal/address"
	"github.com/gatewheel/gatewheel/examples/site/public"
)

func main() {
	site, err := files.FS(public.Files, files.Options{Cache: []files.CacheRule{
		{Pattern: "assets/**", Control: "public, max-age=31536000, immutable"},
		{Pattern: "*.html", Control: "no-cache"},
	}})
	if err != nil {
		log.Fatal(err)
	}
	r := router.Router{Failed: missing}
	r.With(compress.New(compress.Options{MinSize: 256})).Handle("/", site.Serve)
	handler := middleware.SecurityFields(middleware.SecurityOptions{})(r.Serve)
	config := server.Config{Handler: handler, Listen: []string{address.FromArguments()}, StopOnSignal: true}
	if err := server.Run(context.Background(), config); err != nil {
		log.Fatal(err)
	}
}

// missing shows a page of its own for what does not exist.
func missing(_ *app.Request, err error) *app.Response {
	if resp := app.ErrorResponse(err); resp.Status != 404 {
		return resp
	}
	return app.HTML(404, public.Missing)
}
