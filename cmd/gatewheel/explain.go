//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/gatewheel/gatewheel/app/gateway"
	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/app/gateway/routing"
	"github.com/gatewheel/gatewheel/internal/octets"
)

// explainCommand has the flags of `gatewheel explain`.
type explainCommand struct {
	File    string   `arg:"" complete:"files" help:"The file of a gateway."`
	Request string   `arg:"" help:"A method and a URL, such as 'GET https://api.example.com/users/1'."`
	Fields  []string `name:"header" short:"H" sep:"none" placeholder:"NAME:VALUE" help:"Field of the request. Repeatable."`
	From    string   `placeholder:"ADDRESS" default:"192.0.2.1" help:"Address of the client."`
}

// Help returns the text below the first line of `gatewheel explain --help`.
func (*explainCommand) Help() string {
	return "Prints the route, the case, the backend with its share, and the head as it would be forwarded, " +
		"or the answer of the gateway, and the limits, times, authentication, retries and mirrors of the case. Nothing is sent, and no name is looked up."
}

// Run prints what the gateway does with the request.
func (c *explainCommand) Run(s *streams) error {
	asked, err := c.asked()
	if err != nil {
		return usage(err)
	}
	f, table, err := openGateway(s.stderr, c.File)
	if err != nil {
		return err
	}
	e := gateway.Explain(table, asked)
	return printExplanation(s.stdout, f.Config, &e)
}

// asked returns the request of the arguments.
func (c *explainCommand) asked() (*gateway.Asked, error) {
	method, target, err := config.ParseRequest(c.Request)
	if err != nil {
		return nil, err
	}
	asked := &gateway.Asked{Method: method, URL: target}
	if asked.From, err = netip.ParseAddr(c.From); err != nil {
		return nil, fmt.Errorf("--from: %q is not an address", c.From)
	}
	for _, text := range c.Fields {
		name, value, ok := strings.Cut(text, ":")
		value = octets.Trim(value)
		if !ok || !octets.IsToken(name) || !octets.IsValue(value) {
			return nil, fmt.Errorf("-H: %q is not a field such as 'X-Canary: 1'", text)
		}
		if octets.EqualFold(name, "Host") {
			asked.URL.Host = value
			continue
		}
		asked.Fields.Add(name, value)
	}
	return asked, nil
}

func printExplanation(w io.Writer, c *config.Config, e *gateway.Explanation) error {
	var text strings.Builder
	if e.Route == "" {
		fmt.Fprintf(&text, "route    none\nanswer   %d: %s\n", e.Status, e.Reason)
		_, err := io.WriteString(w, text.String())
		return err
	}
	fmt.Fprintf(&text, "route    %s\ncase     %d of %d\n", e.Route, e.Case, len(c.Routes[e.Route]))
	if e.Case > 0 {
		printRules(&text, &c.Routes[e.Route][e.Case-1])
	}
	switch {
	case e.Location != "":
		fmt.Fprintf(&text, "answer   %d: %s\nlocation %s\n", e.Status, e.Reason, e.Location)
	case e.Status != 0:
		fmt.Fprintf(&text, "answer   %d: %s\n", e.Status, e.Reason)
	default:
		printBackends(&text, c, e.Backends)
		printHead(&text, e)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// printBackends prints each backend with its share and its peers.
func printBackends(text *strings.Builder, c *config.Config, backends []routing.Share) {
	total := 0
	for _, s := range backends {
		total += s.Share
	}
	for _, s := range backends {
		var peers []string
		for _, p := range c.Backends[s.Backend].Peers.List {
			peers = append(peers, p.URL)
		}
		if from := c.Backends[s.Backend].Peers.File; from != "" {
			peers = append(peers, "the peers in "+from)
		}
		fmt.Fprintf(text, "backend  %s, %.4g%%: %s\n", s.Backend, 100*float64(s.Share)/float64(total), strings.Join(peers, ", "))
	}
}

// printHead prints the head that is forwarded.
func printHead(text *strings.Builder, e *gateway.Explanation) {
	host := e.Authority
	if host == "backend" {
		host = "(that of the peer's URL)"
	}
	fmt.Fprintf(text, "\n%s %s\nHost: %s\n", e.Method, e.Target, host)
	for _, f := range e.Fields {
		fmt.Fprintf(text, "%s: %s\n", f.Name, f.Value)
	}
	for _, name := range e.AuthFields {
		fmt.Fprintf(text, "%s: (that of auth)\n", name)
	}
}
