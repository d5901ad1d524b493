package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// patience bounds each program that a test runs.
const patience = 5 * time.Minute

const version = "v1.2.3-4-g0123456789ab"

// built returns the directory with a release of this tree for the architecture of this machine, which the first test
// builds.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gatewheel-dist-test-")
	if err != nil {
		return "", err
	}
	r := release{tree: "../..", out: filepath.Join(dir, "dist"), version: version, commit: "0123456789ab", time: time.Unix(1700000000, 0).UTC()}
	return r.out, r.build([]string{runtime.GOARCH})
})

func TestMain(m *testing.M) {
	code := m.Run()
	if out, err := built(); out != "" && err == nil {
		_ = os.RemoveAll(filepath.Dir(out))
	}
	os.Exit(code)
}

// results returns the path of the release, and of its file with that ending.
func results(t *testing.T, ending string) (dir, path string) {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"+ending))
	if err != nil || len(found) != 1 {
		t.Fatalf("%q end in %s, %v", found, ending, err)
	}
	return dir, found[0]
}

// command runs a program to its end and returns what it prints.
func command(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	out, err := commandThatMayFail(t, env, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

func commandThatMayFail(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestElsewhereTheSameBytes builds a copy of the tree in another directory, under another umask.
func TestElsewhereTheSameBytes(t *testing.T) {
	first, _ := results(t, "SHA256SUMS")
	tree := filepath.Join(t.TempDir(), "a", "copy")
	files := command(t, nil, "git", "-C", "../..", "ls-files", "--cached", "--others", "--exclude-standard")
	for name := range strings.Lines(files) {
		copyFile(t, filepath.Join("../..", strings.TrimSpace(name)), filepath.Join(tree, strings.TrimSpace(name)))
	}
	defer syscall.Umask(syscall.Umask(0o077))
	r := release{tree: tree, out: filepath.Join(t.TempDir(), "dist"), version: version, commit: "0123456789ab", time: time.Unix(1700000000, 0).UTC()}
	if err := r.build([]string{runtime.GOARCH}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		a, b := read(t, filepath.Join(first, entry.Name())), read(t, filepath.Join(r.out, entry.Name()))
		if !bytes.Equal(a, b) {
			t.Errorf("%s has other bytes", entry.Name())
		}
	}
	if len(entries) != 4 {
		t.Errorf("%d files, want an archive, a package, a list of components, and checksums", len(entries))
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if errors.Is(err, os.ErrNotExist) {
		return // deleted and not committed
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, read(t, from), info.Mode()&0o700); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestSums(t *testing.T) {
	dir, _ := results(t, "SHA256SUMS")
	command(t, nil, "sh", "-c", `cd "$0" && sha256sum --strict -c SHA256SUMS`, dir)
}

// TestArchive: the files are root's, in order, of one time, below one directory.
func TestArchive(t *testing.T) {
	_, path := results(t, ".tar.gz")
	unzipped, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimSuffix(filepath.Base(path), ".tar.gz") + "/"
	contents := map[string][]byte{}
	var names []string
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, below := strings.CutPrefix(header.Name, folder)
		mode := int64(0o644)
		if name == "gatewheel" || header.Typeflag == tar.TypeDir {
			mode = 0o755
		}
		if !below || header.Mode != mode || header.Uid != 0 || header.Gid != 0 || header.ModTime.Unix() != 1700000000 {
			t.Errorf("%+v", header)
		}
		names = append(names, header.Name)
		if contents[name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"LICENSE", "README.md", "THIRD_PARTY_LICENSES", "sbom.cdx.json", "gatewheel.1",
		"completions/_gatewheel", "completions/gatewheel.bash", "completions/gatewheel.fish", "docs/operations.md",
		"deploy/systemd/gatewheel.service", "examples/gateway/smallest.yaml"} {
		if len(contents[name]) == 0 {
			t.Errorf("no %s", name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("not in order: %q", names)
	}

	binary := filepath.Join(t.TempDir(), "gatewheel")
	if err := os.WriteFile(binary, contents["gatewheel"], 0o700); err != nil {
		t.Fatal(err)
	}
	if got := command(t, nil, binary, "--version"); !strings.HasPrefix(got, "gatewheel "+version+" commit 0123456789ab go1.") {
		t.Errorf("--version prints %q", got)
	}
}

// TestManualPage: with a date, mandoc has nothing to say.
func TestManualPage(t *testing.T) {
	root := unpacked(t)
	page := filepath.Join(root, "usr/share/man/man1/gatewheel.1.gz")
	if warnings, err := commandThatMayFail(t, nil, "mandoc", "-Tlint", "-W", "style", page); err != nil || warnings != "" {
		t.Errorf("%v\n%s", err, warnings)
	}
	if text := command(t, nil, "mandoc", "-Tascii", page); !strings.Contains(text, "November 14, 2023") && !strings.Contains(text, "2023-11-14") {
		t.Errorf("the page is not of the commit's day:\n%s", text[len(text)-200:])
	}
}

// unpacked returns a directory with the files of the package.
func unpacked(t *testing.T) string {
	t.Helper()
	_, deb := results(t, ".deb")
	root := t.TempDir()
	command(t, nil, "dpkg-deb", "-x", deb, root)
	return root
}

func TestPackageIsCleanForLintian(t *testing.T) {
	_, deb := results(t, ".deb")
	tags, err := commandThatMayFail(t, nil, "lintian", "--allow-root", "--fail-on", "error,warning,info", "--display-info", "--tag-display-limit", "0", deb)
	if err != nil {
		t.Errorf("%v\n%s", err, tags)
	}
}

func TestPackageContents(t *testing.T) {
	_, deb := results(t, ".deb")
	for _, line := range []string{
		`-rwxr-xr-x root/root +\d+ 2023-11-14 22:13 \./usr/bin/gatewheel`,
		`-rw-r--r-- root/root +\d+ 2023-11-14 22:13 \./usr/lib/systemd/system/gatewheel\.service`,
		`-rw-r--r-- root/root +\d+ 2023-11-14 22:13 \./etc/gatewheel/gateway\.yaml`,
		`-rw-r--r-- root/root +\d+ 2023-11-14 22:13 \./usr/share/bash-completion/completions/gatewheel`,
		`-rw-r--r-- root/root +\d+ 2023-11-14 22:13 \./usr/share/zsh/vendor-completions/_gatewheel`,
		`-rw-r--r-- root/root +\d+ 2023-11-14 22:13 \./usr/share/fish/vendor_completions\.d/gatewheel\.fish`,
	} {
		if list := command(t, []string{"TZ=UTC0"}, "dpkg-deb", "-c", deb); !regexp.MustCompile("(?m)^" + line + "$").MatchString(list) {
			t.Errorf("no line is %s in\n%s", line, list)
		}
	}
	if got := command(t, nil, "dpkg-deb", "-f", deb, "Version", "Architecture"); got != "Version: 1.2.3+4.g0123456789ab-1\nArchitecture: "+runtime.GOARCH+"\n" {
		t.Errorf("%q", got)
	}
}

// TestPackageInstalls installs the package in a directory, runs the program from there, upgrades and removes it.
func TestPackageInstalls(t *testing.T) {
	_, deb := results(t, ".deb")
	root := t.TempDir()
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "run/systemd/system", "usr/bin", "programs"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "var/lib/dpkg/status"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	// In place of systemd's program: it writes down what it is asked, gatewheel-gateway.service alone is active, and its
	// process gets the signal.
	asked := filepath.Join(root, "asked")
	systemctl := `#!/bin/sh
echo "$@" >>"` + asked + `"
case "$*" in
*is-active*) [ "$3" = gatewheel-gateway.service ] ;;
kill*) kill -USR2 "$(cat "` + root + `/pid")" ;;
esac
`
	if err := os.WriteFile(filepath.Join(root, "programs/systemctl"), []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	program, path := "dpkg", "PATH="+filepath.Join(root, "programs")+":/usr/sbin:/usr/bin:/sbin:/bin"
	var options []string
	if os.Geteuid() != 0 {
		program, options = "fakeroot", []string{"dpkg"} // files belong to root
	}
	options = append(options, "--root="+root, "--force-not-root", "--force-script-chrootless", "--log=/dev/null")
	dpkg := func(args ...string) {
		t.Helper()
		command(t, []string{path}, program, append(slices.Clone(options), args...)...)
	}

	dpkg("--install", deb)
	if got := string(read(t, asked)); got != "--system daemon-reload\n" {
		t.Errorf("a first installation asks systemctl:\n%s", got)
	}
	gatewheel := filepath.Join(root, "usr/bin/gatewheel")
	command(t, nil, gatewheel, "check", filepath.Join(root, "etc/gatewheel/gateway.yaml"))
	service := start(t, gatewheel, "gateway", "--config", filepath.Join(root, "etc/gatewheel/gateway.yaml"), "--listen", "127.0.0.1:0")
	service.hello(t)
	if err := os.WriteFile(filepath.Join(root, "pid"), strconv.AppendInt(nil, int64(service.cmd.Process.Pid), 10), 0o644); err != nil {
		t.Fatal(err)
	}

	// An upgrade keeps what the administrator has written, and hands the connections of what is active over.
	environment := filepath.Join(root, "etc/gatewheel/gatewheel.env")
	if err := os.WriteFile(environment, []byte("GATEWHEEL_LOG_FORMAT=json\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(asked); err != nil {
		t.Fatal(err)
	}
	dpkg("--install", deb)
	if got := string(read(t, environment)); got != "GATEWHEEL_LOG_FORMAT=json\n" {
		t.Errorf("an upgrade leaves %q", got)
	}
	if got := string(read(t, asked)); strings.Count(got, "SIGUSR2") != 1 || !strings.HasSuffix(got, "kill --kill-who=main --signal=SIGUSR2 gatewheel-gateway.service\n") {
		t.Errorf("an upgrade asks systemctl:\n%s", got)
	}
	if err := service.cmd.Wait(); err != nil {
		t.Errorf("the process before the upgrade: %v", err)
	}
	service.hello(t)
	service.end(t)

	dpkg("--purge", "gatewheel")
	for _, name := range []string{"usr/bin/gatewheel", "etc/gatewheel", "usr/lib/systemd/system/gatewheel.service", "usr/share/doc/gatewheel"} {
		if _, err := os.Stat(filepath.Join(root, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
}

// process is a server, in a process group that its successors share.
type process struct {
	cmd    *exec.Cmd
	url    string
	output *os.File // of all processes; it ends with the last
	ended  bool
}

func start(t *testing.T, program string, args ...string) *process {
	t.Helper()
	output, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = output.Close() })
	p := &process{cmd: exec.Command(program, args...), output: output}
	p.cmd.Env, p.cmd.Stdout = []string{}, theirs
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !p.ended {
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	_ = theirs.Close()
	if err := output.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	p.url = regexp.MustCompile(`http://\S+`).FindString(line)
	return p
}

// hello asks the built-in application, over a connection of its own.
func (p *process) hello(t *testing.T) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get(p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if content, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(content), "Hello, World!") {
		t.Errorf("%s: %q, %v", p.url, content, err)
	}
}

// end stops the processes and waits for their end.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(p.output); err != nil {
		t.Errorf("the process does not end: %v", err)
	}
	p.ended = true
}

// TestComponentsFollowTheSchema of CycloneDX, and each has a license.
func TestComponentsFollowTheSchema(t *testing.T) {
	_, path := results(t, ".cdx.json")
	list, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	schemas := filepath.Join(strings.TrimSpace(command(t, nil, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go")), "schema")
	compiler := jsonschema.NewCompiler()
	for url, name := range map[string]string{
		"http://cyclonedx.org/schema/bom-1.6.schema.json":  "bom-1.6.schema.json",
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(read(t, filepath.Join(schemas, name))))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(url, schema); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(list); err != nil {
		t.Error(err)
	}

	var components struct {
		SerialNumber string
		Components   []struct {
			Name     string
			Licenses []struct{ License struct{ ID string } }
		}
	}
	if err := json.Unmarshal(read(t, path), &components); err != nil {
		t.Fatal(err)
	}
	licenses := map[string]string{}
	for _, c := range components.Components {
		if len(c.Licenses) != 1 {
			t.Errorf("%+v", c)
			continue
		}
		licenses[c.Name] = c.Licenses[0].License.ID
	}
	for name, want := range map[string]string{"github.com/panjf2000/gnet/v2": "Apache-2.0", "github.com/alecthomas/kong": "MIT", "golang.org/x/net": "BSD-3-Clause", "std": "BSD-3-Clause"} {
		if licenses[name] != want {
			t.Errorf("%s: %q, want %s: %v", name, licenses[name], want, slices.Sorted(maps.Keys(licenses)))
		}
	}
	if components.SerialNumber != "" || bytes.Contains(read(t, path), []byte(`"timestamp"`)) {
		t.Error("it has a serial number or a time, which differ between builds")
	}
}

// TestDebianVersions: versions are in the order in which they are released.
func TestDebianVersions(t *testing.T) {
	last := ""
	for _, c := range []struct{ version, want string }{
		{"v0.0.0-820-gae6bf4756dcf", "0.0.0+820.gae6bf4756dcf"},
		{"v0.0.0-820-gae6bf4756dcf-dirty", "0.0.0+820.gae6bf4756dcf+dirty"},
		{"v1.2.3-rc.1", "1.2.3~rc.1"},
		{"v1.2.3-rc.1-2-gab12cd", "1.2.3~rc.1+2.gab12cd"},
		{"v1.2.3-rc.2", "1.2.3~rc.2"},
		{"v1.2.3", "1.2.3"},
		{"v1.2.3-14-gab12cd", "1.2.3+14.gab12cd"},
		{"v1.2.4", "1.2.4"},
	} {
		got := debianVersion(c.version)
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.version, got, c.want)
		}
		if last != "" {
			command(t, nil, "dpkg", "--compare-versions", last+"-1", "lt", got+"-1")
		}
		last = got
	}
}

// A directory of something else is left alone.
func TestOtherFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	mine := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := emptyDirectory(dir); err == nil {
		t.Error("a directory with other files was taken")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := emptyDirectory(dir); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%d files are left, %v", len(entries), err)
	}
	if err := emptyDirectory(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	}
}
