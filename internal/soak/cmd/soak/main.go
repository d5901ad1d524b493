//go:build linux

// Command soak runs package soak and writes its report as Markdown and as JSON. It ends with 1 if a failure is
// unexplained or something has grown beyond its bound.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/gatewheel/gatewheel/internal/soak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	c := soak.Config{Progress: os.Stdout, Settle: time.Minute, Bounds: soak.DefaultBounds}
	flag.StringVar(&c.Program, "program", "bin/gatewheel", "path of gatewheel")
	flag.DurationVar(&c.Duration, "duration", 10*time.Minute, "time under load")
	flag.Uint64Var(&c.Seed, "seed", rand.Uint64()>>32, "what operations do; by default another one each time")
	flag.Float64Var(&c.Rate, "rate", 100, "operations a second")
	flag.IntVar(&c.Workers, "workers", 40, "operations at once")
	flag.Float64Var(&c.MaxCPU, "max-cpu", 0.5, "part of a core for this process, 0 for no limit")
	flag.DurationVar(&c.Every, "every", 5*time.Second, "mean time between disturbances")
	flag.BoolVar(&c.Restarts, "restarts", true, "include hot restarts")
	markdown := flag.String("markdown", "", "file for the report as Markdown")
	asJSON := flag.String("json", "", "file for the report as JSON")
	keep := flag.String("dir", "", "directory for logs, which stay; by default a temporary one")
	flag.Parse()

	var err error
	if c.Dir = *keep; c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "soak"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(c.Dir) }()
	}
	report, err := soak.Run(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(write(report, *markdown, *asJSON), verdict(report))
}

// write writes the report to the files that have a name, and as Markdown to standard output.
func write(r *soak.Report, markdown, asJSON string) error {
	var text bytes.Buffer
	if err := r.Markdown(&text); err != nil {
		return err
	}
	fmt.Printf("\n%s", text.Bytes())
	var errs []error
	if markdown != "" {
		errs = append(errs, os.WriteFile(markdown, text.Bytes(), 0o644))
	}
	if asJSON != "" {
		object, err := json.MarshalIndent(r, "", "\t")
		errs = append(errs, err, os.WriteFile(asJSON, append(object, '\n'), 0o644))
	}
	return errors.Join(errs...)
}

func verdict(r *soak.Report) error {
	if failed := r.Failed(); len(failed) > 0 {
		return fmt.Errorf("the soak has failed: %d findings", len(failed))
	}
	return nil
}
