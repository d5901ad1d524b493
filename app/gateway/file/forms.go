package file

import (
	"reflect"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// form is a shorter way to write a type. decode reports whether the node has that form.
type form struct {
	decode func(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool
	schema func(s *schema) []map[string]any // the alternatives
	also   bool                             // the usual form is possible too
}

// forms are filled by init, since their functions refer to each other.
var forms map[reflect.Type]form

func init() {
	forms = map[reflect.Type]form{
		reflect.TypeFor[config.Cases]():         {casesForm, casesSchema, false},
		reflect.TypeFor[config.Shares]():        {sharesForm, textSchema("the name of a backend"), true},
		reflect.TypeFor[config.Mirror]():        {mirrorForm, textSchema("the name of a backend that gets all"), true},
		reflect.TypeFor[config.Match]():         {matchForm, scalarSchema("the whole value"), true},
		reflect.TypeFor[config.Retry]():         {retryForm, integerSchema("the number of further tries"), true},
		reflect.TypeFor[config.Ask]():           {askForm, textSchema("BACKEND PATH"), false},
		reflect.TypeFor[config.Backend]():       {backendForm, backendSchema, true},
		reflect.TypeFor[config.Peers]():         {peersForm, peersSchema, true},
		reflect.TypeFor[config.Peer]():          {peerForm, textSchema("a URL"), true},
		reflect.TypeFor[config.Balance]():       {balanceForm, balanceSchema, true},
		reflect.TypeFor[config.Health]():        {healthForm, textSchema("a method and a path, such as GET /healthz"), true},
		reflect.TypeFor[config.Eject]():         {ejectForm, choiceSchema("off", "on", false, true), true},
		reflect.TypeFor[config.Switch]():        {switchForm, choiceSchema(true, false, "on", "off"), false},
		reflect.TypeFor[config.TLSVersion]():    {tlsVersionForm, choiceSchema("1.2", "1.3", 1.2, 1.3), false},
		reflect.TypeFor[config.ProxyProtocol](): {proxyProtocolForm, choiceSchema("v1", "v2", "off", false), false},
	}
}

// isText reports whether n is a text, or another scalar where texts are expected.
func isText(n ast.Node) bool {
	_, ok := scalarText(n)
	return ok
}

func casesForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	var cases config.Cases
	switch n := n.(type) {
	case *ast.SequenceNode:
		for i, value := range n.Values {
			cases = append(cases, d.oneCase(value, at.At(i)))
		}
	default:
		cases = config.Cases{d.oneCase(n, at.At(0))}
	}
	v.Set(reflect.ValueOf(cases))
	return true
}

// oneCase reads a case, or the name of a backend in its place.
func (d *decoder) oneCase(n ast.Node, at config.Place) (k config.Case) {
	found := d.resolve(n, at)
	switch {
	case found == nil:
	case isMapping(found):
		d.decode(n, at, &k)
	case isText(found):
		d.decode(n, at.In("to"), &k.To)
	default:
		d.fail(n, at, "a route has a backend's name, a case, or a list of cases, not %s", kindOf(found))
	}
	return k
}

func sharesForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if !isText(n) {
		return false
	}
	name := ""
	d.text(n, at, reflect.ValueOf(&name).Elem())
	if name != "" {
		v.Set(reflect.ValueOf(config.Shares{name: 1}))
	}
	return true
}

func mirrorForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if !isText(n) {
		return false
	}
	name := ""
	d.text(n, at, reflect.ValueOf(&name).Elem())
	if name != "" {
		v.Set(reflect.ValueOf(config.Mirror{name: 100}))
	}
	return true
}

func matchForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	text, ok := scalarText(n)
	switch {
	case ok:
		v.Set(reflect.ValueOf(config.Match{Text: text}))
	case !isMapping(n):
		d.fail(n, at, "a condition is a text, or a mapping with prefix, suffix, regex and present, not %s", kindOf(n))
		return true
	}
	return ok
}

func retryForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if !isText(n) {
		v.FieldByName("Tries").SetInt(1)
		return false
	}
	d.integer(n, at, v.FieldByName("Tries"))
	return true
}

func askForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	text := ""
	d.text(n, at, reflect.ValueOf(&text).Elem())
	if text == "" {
		return true
	}
	backend, path, ok := strings.Cut(text, " ")
	if !ok {
		d.fail(n, at, "ask is a backend and a path, such as auth /check, not %s", kindOf(n))
		return true
	}
	v.Set(reflect.ValueOf(config.Ask{Backend: backend, Path: strings.TrimLeft(path, " ")}))
	return true
}

func backendForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if isMapping(n) {
		return false
	}
	d.value(n, at.In("peers"), v.FieldByName("Peers"))
	return true
}

func peersForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if isMapping(n) && !d.hasKey(n, at, "url") {
		return false
	}
	d.value(n, at, v.FieldByName("List"))
	return true
}

func (d *decoder) hasKey(n ast.Node, at config.Place, key string) bool {
	for _, v := range mappingValues(n) {
		if text, _ := scalarText(v.Key); text == key {
			return true
		}
	}
	return false
}

func peerForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if isMapping(n) {
		if !d.hasKey(n, at, "url") {
			d.fail(n, at, "a peer has a url")
			return true
		}
		return false
	}
	d.text(n, at, v.FieldByName("URL"))
	return true
}

func balanceForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if isMapping(n) {
		v.FieldByName("Method").SetString(string(config.Hash))
		return false
	}
	text := ""
	d.text(n, at, reflect.ValueOf(&text).Elem())
	if key, ok := strings.CutPrefix(text, "hash:"); ok {
		v.Set(reflect.ValueOf(config.Balance{Method: config.Hash, Hash: config.Key(strings.TrimSpace(key))}))
		return true
	}
	v.FieldByName("Method").SetString(text)
	return true
}

func healthForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if isMapping(n) {
		return false
	}
	d.text(n, at, v.FieldByName("Request"))
	return true
}

func ejectForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	on, ok := switchText(n)
	if ok {
		v.FieldByName("Off").SetBool(!on)
	} else if !isMapping(n) {
		d.fail(n, at, "eject is off, or a mapping, not %s", kindOf(n))
		return true
	}
	return ok
}

func switchForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	on, ok := switchText(n)
	switch {
	case !ok:
		d.fail(n, at, "%s is true or false, not %s", nameOf(at), kindOf(n))
	case on:
		v.Set(reflect.ValueOf(config.On))
	default:
		v.Set(reflect.ValueOf(config.Off))
	}
	return true
}

func tlsVersionForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	d.anyText(n, at, v)
	return true
}

func proxyProtocolForm(d *decoder, n ast.Node, at config.Place, v reflect.Value) bool {
	if on, ok := switchText(n); ok && !on {
		v.SetString(string(config.ProxyOff))
		return true
	}
	return false
}
