package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// module is a module that is linked into the program, or Go's standard library.
type module struct {
	path, version string
	sha256        string // of the module's files as go.sum has it, in hexadecimal; empty for the standard library
	license       string // of the SPDX license list
	texts         []byte // its license and its notice
}

// linkedModules returns the modules that binary names in its build information, the standard library last. The go.mod
// in tree replaces none of them.
func linkedModules(tree, binary string) ([]module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	dirs, err := moduleDirs(tree, info.Deps)
	if err != nil {
		return nil, err
	}
	var modules []module
	for _, d := range info.Deps {
		m := module{path: d.Path, version: d.Version}
		if m.sha256, err = hexadecimal(d.Sum); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Path, err)
		}
		if err := m.readLicense(dirs[d.Path]); err != nil {
			return nil, err
		}
		modules = append(modules, m)
	}
	root, err := goOutput(tree, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	standard := module{path: "std", version: info.GoVersion}
	if err := standard.readLicense(root); err != nil {
		return nil, err
	}
	return append(modules, standard), nil
}

// moduleDirs returns the directory of each module in the module cache.
func moduleDirs(tree string, modules []*debug.Module) (map[string]string, error) {
	args := []string{"list", "-m", "-f", "{{.Path}} {{.Dir}}"}
	for _, m := range modules {
		args = append(args, m.Path)
	}
	out, err := goOutput(tree, args...)
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	for line := range strings.Lines(out) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		dirs[path] = dir
	}
	return dirs, nil
}

func goOutput(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Env = dir, cleanEnvironment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// hexadecimal converts a checksum such as "h1:...=" of go.sum.
func hexadecimal(sum string) (string, error) {
	bytes, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:"))
	return hex.EncodeToString(bytes), err
}

// readLicense reads the license and the notice in the directory of the module. Go of Debian has its license elsewhere.
func (m *module) readLicense(dir string) error {
	var text []byte
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING", "../../share/doc/golang-go/copyright"} {
		if content, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
			text = content
			break
		}
	}
	if m.license = licenseOf(text); m.license == "" {
		return fmt.Errorf("the license of %s in %s is not known: add it to the table in modules.go", m.path, dir)
	}
	m.texts = append(bytes.TrimSpace(text), '\n')
	if notice, err := os.ReadFile(filepath.Join(dir, "NOTICE")); err == nil {
		m.texts = append(append(m.texts, '\n'), append(bytes.TrimSpace(notice), '\n')...)
	}
	return nil
}

// licenses are identifiers of the SPDX license list, and a sentence that no other of them has. The first that matches
// counts.
var licenses = []struct{ identifier, sentence string }{
	{"Apache-2.0", `Apache License,? Version 2\.0`},
	{"MIT", `Permission is hereby granted, free of charge, to any person obtaining a copy`},
	{"BSD-3-Clause", `Neither the name of .* nor the names of`},
	{"BSD-2-Clause", `Redistributions in binary form must reproduce`},
	{"ISC", `Permission to use, copy, modify, and/?o?r? distribute this software for any purpose with or without fee`},
}

// licenseOf returns the identifier of a license, or "".
func licenseOf(text []byte) string {
	words := strings.Join(strings.Fields(string(text)), " ")
	for _, l := range licenses {
		if regexp.MustCompile(l.sentence).MatchString(words) {
			return l.identifier
		}
	}
	return ""
}

// licenseTexts returns the licenses and notices of all modules.
func licenseTexts(modules []module) []byte {
	var texts bytes.Buffer
	texts.WriteString("The program is linked with these modules. Their licenses follow.\n\n")
	for _, m := range modules {
		fmt.Fprintf(&texts, "%s %s: %s\n", m.path, m.version, m.license)
	}
	for _, m := range modules {
		fmt.Fprintf(&texts, "\n%s\n%s %s\n\n%s", strings.Repeat("=", 80), m.path, m.version, m.texts)
	}
	return texts.Bytes()
}
