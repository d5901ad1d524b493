//go:build linux

package main

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/reactor"
)

// variablePrefix begins the names of the environment variables that stand for flags.
const variablePrefix = "GATEWHEEL_"

// variableNames are the environment variables that stand for flags of the commands that were declared to kong, by name.
type variableNames map[string]bool

// nameVariables gives each flag of a command an environment variable, --listen-tls is GATEWHEEL_LISTEN_TLS, and
// adds its name to names.
func nameVariables(names variableNames) kong.Option {
	return kong.PostBuild(func(k *kong.Kong) error {
		return kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
			if flag, ok := node.(*kong.Flag); ok && flag.Name != "help" && flag.Name != "version" {
				name := variablePrefix + strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
				flag.Envs = []string{name}
				flag.Tag.Envs = flag.Envs
				names[name] = true
			}
			return next(nil)
		})
	})
}

// ofKubernetes matches what Kubernetes sets in every container of a namespace that has a service named gatewheel.
var ofKubernetes = regexp.MustCompile(`^GATEWHEEL_(SERVICE_(HOST|PORT)|PORT$|PORT_\d)`)

// warnUnknown logs the variables in environment that look like ours and stand for no flag of any command: a typo would be
// ignored silently.
func (names variableNames) warnUnknown(log *zap.Logger, environment []string) {
	ofAll := sync.OnceValue(func() variableNames {
		all := variableNames{}
		newParser(&commands{}, all, io.Discard, io.Discard)
		return all
	})
	for _, variable := range environment {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, variablePrefix) && !names[name] && !ofKubernetes.MatchString(name) && !ofAll()[name] {
			log.Warn("unknown environment variable ignored", zap.String("variable", name))
		}
	}
}

// passedSocket is a listening socket from a service manager (sd_listen_fds(3)).
type passedSocket struct {
	descriptor int
	name       string // of LISTEN_FDNAMES; may be empty
}

// passedSockets reads the environment, before the listeners take the sockets out of it.
func passedSockets() (sockets []passedSocket) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil
	}
	count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	names := strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	for i := range min(count, 1000) {
		s := passedSocket{descriptor: 3 + i} // SD_LISTEN_FDS_START
		if i < len(names) {
			s.name = names[i]
		}
		sockets = append(sockets, s)
	}
	return sockets
}

// warnUnused logs the sockets that no listener serves: peers that connect to them wait for ever.
func warnUnused(log *zap.Logger, sockets []passedSocket, listeners []reactor.ListenerConfig) {
	for _, s := range sockets {
		if !slices.ContainsFunc(listeners, func(l reactor.ListenerConfig) bool {
			return l.File != nil && int(l.File.Fd()) == s.descriptor
		}) {
			log.Warn("passed socket is not served: no --listen or --listen-tls asks for it",
				zap.Int("descriptor", s.descriptor), zap.String("name", s.name))
		}
	}
}
