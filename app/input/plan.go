package input

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// plan is how a struct type is filled from named values. It does not change.
type plan struct {
	fields []field
	known  map[string]bool
}

// field is a field of a struct that has a name in the input.
type field struct {
	name     string
	index    []int // as of reflect.Value.FieldByIndex
	kind     reflect.Type
	multiple bool // a slice: every value counts
	required bool
	fallback []string // values that stand for absent ones; nil: none
	layout   string   // of a time
}

// plans are the plans of types that were used: a map of reflect.Type to *plan.
var plans sync.Map

// planOf returns the plan of a struct type. It panics if the type cannot be filled, which is
// a mistake of the program.
func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	if t.Kind() != reflect.Struct {
		panic(fmt.Sprintf("input: %v is no struct", t))
	}
	p := &plan{known: map[string]bool{}}
	p.add(t, nil)
	known, _ := plans.LoadOrStore(t, p)
	return known.(*plan)
}

// add adds the fields of a struct at that index. Those of embedded structs count as fields of
// the struct itself.
func (p *plan) add(t reflect.Type, index []int) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := append(append([]int(nil), index...), i)
		tag, tagged := sf.Tag.Lookup("input")
		switch {
		case tag == "-":
		case sf.Anonymous && sf.Type.Kind() == reflect.Struct && !tagged && !unmarshalsText(sf.Type):
			p.add(sf.Type, at)
		case sf.IsExported():
			p.addField(t, sf, at)
		case tagged:
			panic(fmt.Sprintf("input: the field %s of %v has a tag, but is not exported", sf.Name, t))
		}
	}
}

func (p *plan) addField(t reflect.Type, sf reflect.StructField, index []int) {
	name, flag, _ := strings.Cut(sf.Tag.Get("input"), ",")
	if name == "" {
		name = sf.Name
	}
	f := field{name: name, index: index, kind: sf.Type, required: flag == "required", layout: sf.Tag.Get("layout")}
	if flag != "" && !f.required {
		panic(fmt.Sprintf("input: the tag of the field %s of %v ends in %q: only required is known", sf.Name, t, flag))
	}
	if f.layout == "" {
		f.layout = time.RFC3339
	}
	if f.kind.Kind() == reflect.Slice && f.kind.Elem().Kind() != reflect.Uint8 && !unmarshalsText(f.kind) {
		f.multiple, f.kind = true, f.kind.Elem()
	}
	scratch := reflect.New(f.kind).Elem()
	if !f.supported() {
		panic(fmt.Sprintf("input: the field %s of %v has the type %v, which text cannot fill", sf.Name, t, sf.Type))
	}
	if text, ok := sf.Tag.Lookup("default"); ok {
		if err := f.set(scratch, text); err != nil {
			panic(fmt.Sprintf("input: the default of the field %s of %v: %v", sf.Name, t, err))
		}
		f.fallback = []string{text}
	}
	if p.known[name] {
		panic(fmt.Sprintf("input: two fields of %v are named %s", t, name))
	}
	p.known[name] = true
	p.fields = append(p.fields, f)
}

var (
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType        = reflect.TypeFor[time.Time]()
	durationType    = reflect.TypeFor[time.Duration]()
)

func unmarshalsText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textUnmarshaler) }

// supported reports whether set can fill values of the field.
func (f *field) supported() bool {
	t := f.kind
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if unmarshalsText(t) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8
	}
	return false
}
