package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// nfpm is the program that writes Debian packages.
const nfpm = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.48.0"

// debianPackage writes the Debian package, with the program that is in work. deploy/debian/nfpm.yaml lists its files.
func (r *release) debianPackage(architecture, work string, generated map[string][]byte) error {
	changes, err := os.ReadFile(filepath.Join(r.tree, "CHANGELOG.md"))
	if err != nil {
		return err
	}
	version := debianVersion(r.version)
	files := map[string][]byte{
		"changelog.gz":        compressed(changes),
		"changelog.Debian.gz": compressed([]byte(debianChangelog(version, r.time))),
	}
	for name, content := range generated {
		switch name {
		case "gatewheel.1", "THIRD_PARTY_LICENSES":
			files[name+".gz"] = compressed(content)
		default:
			files[name] = content
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(work, name), content, 0o644); err != nil {
			return err
		}
	}
	name := fmt.Sprintf("gatewheel_%s-1_%s.deb", version, architecture)
	cmd := exec.Command("go", "run", nfpm, "package", "--packager", "deb", "--config", "deploy/debian/nfpm.yaml",
		"--target", filepath.Join(r.out, name))
	cmd.Dir = r.tree
	cmd.Env = append(cleanEnvironment(), "GOFLAGS=-trimpath", "ARCH="+architecture, "DEBIAN_VERSION="+version, "WORK="+work,
		fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.time.Unix()))
	return run(cmd)
}

var sinceTag = regexp.MustCompile(`-(\d+)-g([0-9a-f]+)`)

// debianVersion converts a version of git describe. What was committed after a tag sorts after it, 1.2.3+14.gab12cd, and
// what was released before a version before it, 1.2.3~rc.1.
func debianVersion(version string) string {
	version = strings.TrimPrefix(version, "v")
	version = sinceTag.ReplaceAllString(version, "+$1.g$2")
	version = strings.Replace(version, "-dirty", "+dirty", 1)
	return strings.ReplaceAll(version, "-", "~")
}

// debianChangelog returns the changelog of the package: one entry, which names that of the program.
func debianChangelog(version string, released time.Time) string {
	return fmt.Sprintf(`gatewheel (%s-1) unstable; urgency=medium

  * See changelog.gz for what has changed in the program.

 -- The Gatewheel maintainers <gatewheel@users.noreply.github.com>  %s
`, version, released.Format(time.RFC1123Z))
}
