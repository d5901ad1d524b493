package file

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// eachNamed calls visit for each file that f names, in a fixed order.
func (f *File) eachNamed(visit func(at config.Place, kind, name, other string)) {
	for _, text := range slices.Sorted(maps.Keys(f.Config.Routes)) {
		for i := range f.Config.Routes[text] {
			k := &f.Config.Routes[text][i]
			if k.Auth == nil {
				continue
			}
			at := config.Place{"routes", text}.At(i).In("auth")
			if k.Auth.Basic != "" {
				visit(at.In("basic"), "passwords", k.Auth.Basic, "")
			}
			if j := k.Auth.JWT; j != nil && j.JWKS != "" && !strings.Contains(j.JWKS, "://") {
				visit(at.In("jwt", "jwks"), "keys", j.JWKS, "")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Config.Backends)) {
		b := f.Config.Backends[name]
		at := config.Place{"backends", name}
		if b.Peers.File != "" {
			visit(at.In("peers", "file"), "peers", b.Peers.File, "")
		}
		if b.TLS == nil {
			continue
		}
		if b.TLS.CA != "" {
			visit(at.In("tls", "ca"), "authorities", b.TLS.CA, "")
		}
		if b.TLS.Cert != "" && b.TLS.Key != "" {
			visit(at.In("tls", "cert"), "certificate", b.TLS.Cert, b.TLS.Key)
		}
	}
}

// named returns the paths of the files that f names.
func (f *File) named() (paths []string) {
	f.eachNamed(func(_ config.Place, _, name, other string) {
		paths = append(paths, f.path(name))
		if other != "" {
			paths = append(paths, f.path(other))
		}
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}

// checkFiles reads the files that f names.
func (f *File) checkFiles() (problems []config.Problem) {
	f.eachNamed(func(at config.Place, kind, name, other string) {
		if err := f.checkFile(kind, name, other); err != nil {
			problems = append(problems, config.Problem{Place: at, Text: err.Error()})
		}
	})
	return problems
}

func (f *File) checkFile(kind, name, other string) error {
	switch kind {
	case "certificate":
		_, err := tls.LoadX509KeyPair(f.path(name), f.path(other))
		if err != nil {
			return fmt.Errorf("the certificate %s with the key %s cannot be used: %w", name, other, plain(err))
		}
		return nil
	case "peers":
		_, err := ReadPeers(f.path(name))
		if problems, ok := errors.AsType[Problems](err); ok {
			return fmt.Errorf("the peers cannot be used: %w", problems[0])
		}
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", name, plain(err))
		}
		return nil
	}
	text, err := os.ReadFile(f.path(name))
	if err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, plain(err))
	}
	switch kind {
	case "authorities":
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return fmt.Errorf("%s has no certificate in PEM form", name)
		}
	case "passwords":
		return checkPasswords(name, string(text))
	case "keys":
		var set struct{ Keys []json.RawMessage }
		if json.Unmarshal(text, &set) != nil || len(set.Keys) == 0 {
			return fmt.Errorf("%s is not a key set (JWKS): a JSON object with keys", name)
		}
	}
	return nil
}

// plain returns err without the name of the file.
func plain(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// checkPasswords checks that a file has lines of a user and a bcrypt hash.
func checkPasswords(name, text string) error {
	lines := bufio.NewScanner(strings.NewReader(text))
	users := map[string]bool{}
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		if !ok || user == "" {
			return fmt.Errorf("line %d of %s is not user:hash", n, name)
		}
		if !isBcrypt(hash) {
			return fmt.Errorf("line %d of %s has no bcrypt hash of a cost up to %d: make one with htpasswd -B", n, name, maxCost)
		}
		if users[user] {
			return fmt.Errorf("line %d of %s names the user %q again", n, name, user)
		}
		users[user] = true
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s cannot be read: %w", name, err)
	}
	if len(users) == 0 {
		return fmt.Errorf("%s has no users", name)
	}
	return nil
}

// maxCost is the highest cost of a hash that the gateway accepts: about 2 s of a core.
const maxCost = 15

// isBcrypt reports whether a hash has the form $2y$12$ and 53 characters.
func isBcrypt(hash string) bool {
	parts := strings.Split(hash, "$")
	if len(parts) != 4 || parts[0] != "" || !slices.Contains([]string{"2a", "2b", "2y"}, parts[1]) || len(parts[3]) != 53 {
		return false
	}
	cost, err := strconv.Atoi(parts[2])
	return err == nil && cost >= 4 && cost <= maxCost
}

// ReadPeers reads a file of peers: a YAML list as that of a backend. It blocks. The error
// is of type Problems if the file could be read.
func ReadPeers(name string) ([]config.Peer, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &source{name: name, text: text}
	body, problem := parseYAML(s)
	if problem != nil {
		return nil, Problems{*problem}
	}
	d := newDecoder(s)
	d.findAnchors(body)
	var peers []config.Peer
	d.decode(body, config.Place{"peers"}, &peers)
	for _, p := range config.CheckPeers(config.Place{"peers"}, peers) {
		d.problems = append(d.problems, s.problem(s.position(p.Place, p.Key), p.Text, false))
	}
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return peers, nil
}
