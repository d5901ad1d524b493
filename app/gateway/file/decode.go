package file

import (
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/gatewheel/gatewheel/app/gateway/config"
	"github.com/gatewheel/gatewheel/internal/octets"
	"github.com/gatewheel/gatewheel/internal/suggest"
)

// decode sets to, a pointer, to the value of a node.
func (d *decoder) decode(n ast.Node, at config.Place, to any) {
	d.value(n, at, reflect.ValueOf(to).Elem())
}

// value sets v to the value of a node.
func (d *decoder) value(n ast.Node, at config.Place, v reflect.Value) {
	found := d.resolve(n, at)
	if found == nil {
		return
	}
	key := placeKey(at)
	where := d.source.places[key]
	where.value = nodePosition(n)
	d.source.places[key] = where
	if form, ok := forms[v.Type()]; ok && form.decode(d, found, at, v) {
		return
	}
	if s, ok := scalars[v.Type()]; ok {
		d.scalar(found, at, v, s)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(found, at, v.Elem())
	case reflect.Struct:
		d.structure(found, at, v)
	case reflect.Map:
		d.mapping(found, at, v)
	case reflect.Slice:
		d.list(found, at, v)
	case reflect.Bool:
		d.boolean(found, at, v)
	case reflect.Int:
		d.integer(found, at, v)
	default:
		d.text(found, at, v)
	}
}

// scalar is a type that is written as one text.
type scalar struct {
	what    string // "a duration such as 5s"
	pattern string // in the schema; "" is any
	parse   func(text string) (any, error)
}

// parsed makes a scalar of a parser.
func parsed[T any](what, pattern string, parse func(string) (T, error)) scalar {
	return scalar{what, pattern, func(text string) (any, error) { return parse(text) }}
}

var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[time.Duration](): parsed("a duration such as 150ms, 5s or 1h30m", `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, config.ParseDuration),
	reflect.TypeFor[config.Size]():   parsed("a size in bytes, KiB, MiB or GiB", `^[0-9]+ *(KiB|MiB|GiB)?$`, config.ParseSize),
	reflect.TypeFor[config.Percent](): parsed("a percentage such as 10%", `^[0-9]+(\.[0-9]+)? *%$`,
		config.ParsePercent),
	reflect.TypeFor[config.Rate]():        parsed("a rate such as 100/s", `^[0-9.]+ */ *.+$`, config.ParseRate),
	reflect.TypeFor[config.StatusRange](): parsed("a status or a range such as 200-299", `^([1-5]xx|[1-5][0-9][0-9]( *- *[1-5][0-9][0-9])?)$`, config.ParseStatusRange),
	reflect.TypeFor[netip.Prefix]():       parsed("a network such as 10.0.0.0/8", "", config.ParsePrefix),
}

func (d *decoder) scalar(n ast.Node, at config.Place, v reflect.Value, s scalar) {
	text, ok := scalarText(n)
	if !ok {
		d.fail(n, at, "%s is %s, not %s", nameOf(at), s.what, kindOf(n))
		return
	}
	value, err := s.parse(text)
	if err != nil {
		d.fail(n, at, "%v", err)
		return
	}
	v.Set(reflect.ValueOf(value))
}

// nameOf returns the key of a place, for messages.
func nameOf(at config.Place) string {
	for i := len(at) - 1; i >= 0; i-- {
		if octets.Decimal(at[i]) < 0 {
			return at[i]
		}
	}
	return "the file"
}

// structure sets the fields of a struct.
func (d *decoder) structure(n ast.Node, at config.Place, v reflect.Value) {
	fields := fieldsOf(v.Type())
	if !isMapping(n) {
		d.fail(n, at, "%s is a mapping with %s, not %s", elementOf(at), keysOf(fields), kindOf(n))
		return
	}
	for _, e := range d.entries(n, at) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == e.key })
		if i < 0 {
			d.unknownKey(e, at, fields)
			continue
		}
		place := at.In(e.key)
		d.source.places[placeKey(place)] = places{key: nodePosition(e.node), value: nodePosition(e.value)}
		if isNothing(d.resolve(e.value, place)) {
			d.failAt(nodePosition(e.node), place, "%s has no value", e.key)
			continue
		}
		if d.isZero(e.value, place, v.Field(fields[i].index)) {
			continue
		}
		d.value(e.value, place, v.Field(fields[i].index))
	}
}

// isZero refuses 0 for a number that is not set then.
func (d *decoder) isZero(n ast.Node, at config.Place, v reflect.Value) bool {
	number, ok := d.resolve(n, at).(*ast.IntegerNode)
	if !ok || v.Kind() != reflect.Int || octets.Decimal(number.GetToken().Value) != 0 || mayBeZero[nameOf(at)] {
		return false
	}
	d.fail(n, at, "%s is a whole number above 0; leave the key out for what holds without it", nameOf(at))
	return true
}

// mayBeZero are the keys of structures whose numbers may be 0.
var mayBeZero = map[string]bool{"tries": true}

// elementOf is nameOf, but for an element of a list.
func elementOf(at config.Place) string {
	if n := len(at); n > 1 && octets.Decimal(at[n-1]) >= 0 && at[0] != "routes" {
		return "an element of " + nameOf(at)
	}
	return nameOf(at)
}

// keysOf returns the keys of a structure: a, b and c.
func keysOf(fields []field) string {
	var text strings.Builder
	for i, f := range fields {
		switch i {
		case 0:
		case len(fields) - 1:
			text.WriteString(" and ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(f.key)
	}
	return text.String()
}

func isMapping(n ast.Node) bool {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return true
	}
	return false
}

func isNothing(n ast.Node) bool {
	_, null := n.(*ast.NullNode)
	return null
}

func (d *decoder) unknownKey(e entry, at config.Place, fields []field) {
	var known []string
	for _, f := range fields {
		known = append(known, f.key)
	}
	place := at.In(e.key)
	switch {
	case e.key == "include" || e.key == "import":
		d.fail(e.node, place, "there is no key %q: files cannot be included", e.key)
	case suggest.Name(e.key, known) != "":
		d.fail(e.node, place, "there is no key %q%s", e.key, suggest.Name(e.key, known))
	default:
		d.fail(e.node, place, "there is no key %q here; there are %s", e.key, strings.Join(known, ", "))
	}
}

// field is a field of a struct with a key in the file.
type field struct {
	key, value string // value: what holds without it
	name       string
	index      int
}

// fieldsOf returns the fields of a struct that have a key, in order.
func fieldsOf(t reflect.Type) (fields []field) {
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("file"); key != "" {
			fields = append(fields, field{key, t.Field(i).Tag.Get("default"), t.Field(i).Name, i})
		}
	}
	return fields
}

// mapping sets a map whose keys are texts.
func (d *decoder) mapping(n ast.Node, at config.Place, v reflect.Value) {
	if !isMapping(n) {
		d.fail(n, at, "%s is a mapping, not %s", nameOf(at), kindOf(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range d.entries(n, at) {
		place := at.In(e.key)
		d.source.places[placeKey(place)] = places{key: nodePosition(e.node), value: nodePosition(e.value)}
		element := reflect.New(v.Type().Elem()).Elem()
		switch found := d.resolve(e.value, place); {
		case found == nil:
		case isNothing(found):
			d.failAt(nodePosition(e.node), place, "%s has no value", quotedKey(e.key))
		case element.Kind() == reflect.String:
			d.anyText(found, place, element)
		default:
			d.value(e.value, place, element)
		}
		// An element with a mistake stays, so that it is known elsewhere.
		v.SetMapIndex(reflect.ValueOf(e.key).Convert(v.Type().Key()), element)
	}
}

func quotedKey(key string) string {
	if octets.IsToken(key) {
		return key
	}
	return `"` + key + `"`
}

// list sets a slice. One value stands for a list of one.
func (d *decoder) list(n ast.Node, at config.Place, v reflect.Value) {
	sequence, ok := n.(*ast.SequenceNode)
	if !ok {
		if isNothing(n) {
			d.fail(n, at, "%s is a list, not nothing", nameOf(at))
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		d.value(n, at.At(0), one)
		v.Set(reflect.Append(reflect.MakeSlice(v.Type(), 0, 1), one))
		return
	}
	all := reflect.MakeSlice(v.Type(), 0, len(sequence.Values))
	for i, value := range sequence.Values {
		place := at.At(i)
		element := reflect.New(v.Type().Elem()).Elem()
		switch found := d.resolve(value, place); {
		case found == nil:
		case isNothing(found):
			d.fail(value, place, "an element of %s has no value", nameOf(at))
		default:
			d.value(value, place, element)
		}
		all = reflect.Append(all, element)
	}
	v.Set(all)
}

func (d *decoder) boolean(n ast.Node, at config.Place, v reflect.Value) {
	if on, ok := switchText(n); ok {
		v.SetBool(on)
		return
	}
	d.fail(n, at, "%s is true or false, not %s", nameOf(at), kindOf(n))
}

// switchText reads true, false, on and off.
func switchText(n ast.Node) (on, ok bool) {
	text, _ := scalarText(n)
	switch text {
	case "true", "on":
		return true, true
	case "false", "off":
		return false, true
	}
	return false, false
}

func (d *decoder) integer(n ast.Node, at config.Place, v reflect.Value) {
	_, number := n.(*ast.IntegerNode)
	text, _ := scalarText(n)
	i := octets.Decimal(text)
	switch unquoted := strings.TrimSuffix(text, "%"); {
	case number && i >= 0 && i <= math.MaxInt32:
		v.SetInt(i)
	case number && strings.HasPrefix(text, "-"):
		d.fail(n, at, "%s is a whole number that is not negative, and this is %s", nameOf(at), text)
	case !number && octets.Decimal(unquoted) >= 0:
		d.fail(n, at, "%s is a whole number, not %s: write %s", nameOf(at), kindOf(n), unquoted)
	default:
		d.fail(n, at, "%s is a whole number, not %s", nameOf(at), kindOf(n))
	}
}

// text sets a string, which must be a text in YAML.
func (d *decoder) text(n ast.Node, at config.Place, v reflect.Value) {
	text, scalar := scalarText(n)
	switch n.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		d.setText(n, at, v, text)
		return
	}
	if scalar {
		d.fail(n, at, "%s is a text, not %s: write \"%s\"", nameOf(at), kindOf(n), text)
		return
	}
	d.fail(n, at, "%s is a text, not %s", nameOf(at), kindOf(n))
}

// anyText sets a string to any scalar, as it is written.
func (d *decoder) anyText(n ast.Node, at config.Place, v reflect.Value) {
	text, ok := scalarText(n)
	if !ok {
		d.fail(n, at, "%s is a text, not %s", quotedKey(at[len(at)-1]), kindOf(n))
		return
	}
	d.setText(n, at, v, text)
}

func (d *decoder) setText(n ast.Node, at config.Place, v reflect.Value, text string) {
	if nameOf(at) != "body" && nameOf(at) != "regex" {
		if i := strings.Index(text, "${"); i >= 0 {
			d.fail(n, at, "%q is not replaced: the file has no variables of the environment", text[i:])
			return
		}
	}
	if text == "" && !mayBeEmpty[nameOf(at)] && len(at) > 1 && at[len(at)-2] != "set" && at[len(at)-2] != "add" {
		d.fail(n, at, "%s is empty", nameOf(at))
		return
	}
	v.SetString(text)
}

// mayBeEmpty are the keys whose texts may be empty.
var mayBeEmpty = map[string]bool{"body": true, "grpc": true}
