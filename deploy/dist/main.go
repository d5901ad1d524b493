// Command dist builds what a release has, for each architecture a tar archive, a Debian package and a list of the
// components (SBOM), and their checksums. The same commit and the same Go give the same bytes, wherever the tree is.
//
// It runs git, go, and nfpm through go run.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("dist: ")
	var r release
	var architectures string
	var epoch int64
	flag.StringVar(&r.tree, "tree", ".", "root of the source tree")
	flag.StringVar(&r.out, "out", "dist", "directory for the results")
	flag.StringVar(&r.version, "version", "", "version, such as v1.2.3")
	flag.StringVar(&r.commit, "commit", "", "commit that is built")
	flag.Int64Var(&epoch, "epoch", 0, "time of all files, in seconds since 1970 (SOURCE_DATE_EPOCH)")
	flag.StringVar(&architectures, "arch", "amd64,arm64", "architectures of Linux, separated by commas")
	flag.Parse()
	r.time = time.Unix(epoch, 0).UTC()
	if r.version == "" || epoch == 0 || flag.NArg() > 0 {
		log.Fatal("-version and -epoch are required, and there are no arguments")
	}
	if err := r.build(strings.Split(architectures, ",")); err != nil {
		log.Fatal(err)
	}
}

// release is what is built.
type release struct {
	tree, out       string
	version, commit string
	time            time.Time // of all files
}

// build builds everything for the architectures, in an empty directory.
func (r *release) build(architectures []string) (err error) {
	if r.tree, err = filepath.Abs(r.tree); err != nil {
		return err
	}
	if r.out, err = filepath.Abs(r.out); err != nil {
		return err
	}
	if err := emptyDirectory(r.out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "gatewheel-dist-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()

	texts, err := r.texts(work)
	if err != nil {
		return err
	}
	for _, architecture := range architectures {
		if err := r.buildFor(architecture, work, texts); err != nil {
			return fmt.Errorf("%s: %w", architecture, err)
		}
	}
	return writeSums(r.out)
}

// buildFor builds everything for one architecture. work is the directory of compile.
func (r *release) buildFor(architecture, work string, texts map[string][]byte) error {
	binary, err := r.compile(architecture, work)
	if err != nil {
		return err
	}
	modules, err := linkedModules(r.tree, binary)
	if err != nil {
		return err
	}
	list, err := sbom(r, binary, modules)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("gatewheel-%s-linux-%s", r.version, architecture)
	if err := os.WriteFile(filepath.Join(r.out, name+".cdx.json"), list, 0o644); err != nil {
		return err
	}
	generated := map[string][]byte{
		"THIRD_PARTY_LICENSES": licenseTexts(modules),
		"sbom.cdx.json":        list,
	}
	for name, text := range texts {
		generated[name] = text
	}
	if err := r.archive(filepath.Join(r.out, name+".tar.gz"), binary, generated); err != nil {
		return err
	}
	return r.debianPackage(architecture, filepath.Dir(binary), generated)
}

// emptyDirectory makes a directory, or empties one that an earlier run has filled. It removes nothing else.
func emptyDirectory(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, sumsFile)); err != nil {
			return fmt.Errorf("%s is not empty and has no %s: name another directory", dir, sumsFile)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return os.MkdirAll(dir, 0o755)
}
