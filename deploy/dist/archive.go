package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sources are the files of the tree that the archive has, as patterns.
var sources = []string{"LICENSE", "README.md", "CHANGELOG.md", "docs/*.md", "deploy/systemd/*", "examples/gateway/*"}

// file is a file of an archive.
type file struct {
	content []byte
	mode    int64
}

// archive writes the tar archive with the program, generated files and files of the tree.
func (r *release) archive(name, binary string, generated map[string][]byte) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	files := map[string]file{"gatewheel": {program, 0o755}}
	for name, content := range generated {
		switch name {
		case "gatewheel.bash", "gatewheel.fish", "_gatewheel":
			name = "completions/" + name
		}
		files[name] = file{content, 0o644}
	}
	for _, pattern := range sources {
		names, err := filepath.Glob(filepath.Join(r.tree, pattern))
		if err != nil || len(names) == 0 {
			return fmt.Errorf("no file is %s: %v", pattern, err)
		}
		for _, name := range names {
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			below, err := filepath.Rel(r.tree, name)
			if err != nil {
				return err
			}
			files[filepath.ToSlash(below)] = file{content, 0o644}
		}
	}
	var archived bytes.Buffer
	if err := writeTar(&archived, strings.TrimSuffix(path.Base(name), ".tar.gz"), files, r.time); err != nil {
		return err
	}
	return os.WriteFile(name, compressed(archived.Bytes()), 0o644)
}

// writeTar writes files below folder, in the order of their names, as files of root.
func writeTar(w io.Writer, folder string, files map[string]file, modified time.Time) error {
	archive := tar.NewWriter(w)
	add := func(name string, kind byte, mode int64, content []byte) error {
		err := archive.WriteHeader(&tar.Header{Typeflag: kind, Name: name, Mode: mode, Size: int64(len(content)), ModTime: modified,
			Uname: "root", Gname: "root", Format: tar.FormatUSTAR})
		if err == nil {
			_, err = archive.Write(content)
		}
		return err
	}
	added := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		full := path.Join(folder, name)
		for i, c := range full {
			if parent := full[:i+1]; c == '/' && !added[parent] {
				added[parent] = true
				if err := add(parent, tar.TypeDir, 0o755, nil); err != nil {
					return err
				}
			}
		}
		if err := add(full, tar.TypeReg, files[name].mode, files[name].content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// compressed returns content as gzip -9n writes it: without a name and a time.
func compressed(content []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is wrong
	}
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// sumsFile has the checksums of all files of a release.
const sumsFile = "SHA256SUMS"

// writeSums writes SHA256SUMS, for sha256sum -c, about the other files of a directory.
func writeSums(dir string) error {
	entries, err := os.ReadDir(dir) // in the order of their names
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), entry.Name())
	}
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(sums.String()), 0o644)
}
