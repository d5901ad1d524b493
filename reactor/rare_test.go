//go:build linux

package reactor

import (
	"net"
	"reflect"
	"testing"
	"unsafe"
)

// TestRareStateIsEmpty: each field of a rareState keeps it from being dropped.
func TestRareStateIsEmpty(t *testing.T) {
	if !new(rareState).isEmpty() {
		t.Error("a zero rareState is not empty")
	}
	for i := range reflect.TypeFor[rareState]().NumField() {
		r := &rareState{}
		field := reflect.ValueOf(r).Elem().Field(i)
		field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem() // it is not exported
		field.Set(some(field.Type()))
		if name := reflect.TypeFor[rareState]().Field(i).Name; r.isEmpty() {
			t.Errorf("a rareState with %s is empty", name)
		}
	}
}

// some returns a value of that type other than its zero value.
func some(t reflect.Type) reflect.Value {
	switch t.Kind() {
	case reflect.Bool:
		return reflect.ValueOf(true).Convert(t)
	case reflect.Int, reflect.Int64, reflect.Uint8:
		return reflect.ValueOf(1).Convert(t)
	case reflect.Slice:
		return reflect.MakeSlice(t, 1, 1)
	case reflect.Pointer:
		return reflect.New(t.Elem())
	case reflect.Interface:
		if value := reflect.ValueOf(errDialDescriptors); value.Type().Implements(t) {
			return value
		}
		return reflect.ValueOf(&net.UnixAddr{})
	case reflect.Struct:
		if t == reflect.TypeFor[pace]() {
			return reflect.ValueOf(pace{began: true})
		}
	}
	panic("no value of " + t.String())
}
