//go:build linux

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// The linker sets these (-X main.version=...).
var (
	version    string
	commit     string
	commitDate string // of the commit, as 2006-01-02; may be empty
)

// programVersion returns the version that the linker was told, else that of the build information.
func programVersion() string {
	if version != "" {
		return version
	}
	info, _ := debug.ReadBuildInfo()
	return versionOf(info)
}

// versionOf returns the module's version, as go install knows it, else the commit that was built, else "devel".
// info may be nil.
func versionOf(info *debug.BuildInfo) string {
	if info == nil {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	if c := commitOf(info); c != "" {
		return "devel-" + c
	}
	return "devel"
}

// programCommit returns the commit that the linker was told, else that of the build information, or "".
func programCommit() string {
	if commit != "" {
		return commit
	}
	info, _ := debug.ReadBuildInfo()
	return commitOf(info)
}

// commitOf returns the first 12 digits of the commit that was built, with "+dirty" if files were changed since, or "".
// info may be nil.
func commitOf(info *debug.BuildInfo) string {
	if info == nil {
		return ""
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+dirty"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + modified
}

// versionLine returns the program's version, its commit if that is known, and what it was built with.
func versionLine() string {
	line := "gatewheel " + programVersion()
	if c := programCommit(); c != "" {
		line += " commit " + c
	}
	return fmt.Sprintf("%s %s %s/%s", line, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(s *streams) error {
	_, err := fmt.Fprintln(s.stdout, versionLine())
	return err
}
