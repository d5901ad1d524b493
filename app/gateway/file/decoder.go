package file

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gatewheel/gatewheel/app/gateway/config"
)

// decoder turns the nodes of a file into a config.Config, and collects mistakes.
type decoder struct {
	source   *source
	problems Problems
	failed   []config.Place // places with mistakes
	aliases  map[*ast.AliasNode]ast.Node
	nodes    int // values in the file
	visited  int // values that were read, more than once through aliases
}

// maxExpanded limits the values that come from aliases, which can refer to each other.
const maxExpanded = 100_000

func newDecoder(s *source) *decoder {
	s.places = map[string]places{}
	return &decoder{source: s, aliases: map[*ast.AliasNode]ast.Node{}}
}

func (d *decoder) fail(n ast.Node, at config.Place, format string, values ...any) {
	d.failAt(nodePosition(n), at, format, values...)
}

func (d *decoder) failAt(p position, at config.Place, format string, values ...any) {
	d.failed = append(d.failed, at)
	d.problems = append(d.problems, d.source.problem(p, fmt.Sprintf(format, values...), false))
}

// withoutConsequences returns the problems that do not follow from others.
func (d *decoder) withoutConsequences(problems []config.Problem) []config.Problem {
	if len(d.failed) == 0 {
		return problems
	}
	return slices.DeleteFunc(problems, func(p config.Problem) bool {
		if p.Warning {
			return true
		}
		return slices.ContainsFunc(d.failed, func(at config.Place) bool {
			n := min(len(at), len(p.Place))
			return slices.Equal(at[:n], p.Place[:n])
		})
	})
}

// findAnchors finds the anchor of each alias, and repairs plain texts.
func (d *decoder) findAnchors(n ast.Node) {
	anchors := map[string]ast.Node{}
	var walk func(n ast.Node)
	walk = func(n ast.Node) {
		d.nodes++
		switch n := n.(type) {
		case *ast.MappingNode:
			for _, v := range n.Values {
				walk(v)
			}
		case *ast.MappingValueNode:
			walk(n.Key)
			walk(n.Value)
		case *ast.SequenceNode:
			d.source.repairPlain(n)
			for _, v := range n.Values {
				walk(v)
			}
		case *ast.AnchorNode:
			walk(n.Value)
			if n.Name != nil {
				anchors[n.Name.GetToken().Value] = n.Value
			}
		case *ast.AliasNode:
			if n.Value != nil {
				d.aliases[n] = anchors[n.Value.GetToken().Value]
			}
		case *ast.TagNode:
			walk(n.Value)
		}
	}
	walk(n)
}

// resolve follows anchors and aliases. It returns nil, and has reported it, if there is no
// value.
func (d *decoder) resolve(n ast.Node, at config.Place) ast.Node {
	for {
		switch found := n.(type) {
		case *ast.AnchorNode:
			n = found.Value
		case *ast.AliasNode:
			target := d.aliases[found]
			if target == nil {
				d.fail(found, at, "no anchor &%s stands before this alias", found.Value.GetToken().Value)
				return nil
			}
			n = target
		case *ast.TagNode:
			d.fail(found, at, "tags such as %s have no meaning here: files cannot be included, and values need none", found.Start.Value)
			return nil
		case nil:
			return nil
		default:
			if d.tooMany(found, at, 1) {
				return nil
			}
			return n
		}
	}
}

// tooMany counts n values that are read. It reports whether aliases stand for too many.
func (d *decoder) tooMany(at ast.Node, place config.Place, n int) bool {
	// Shorthand forms are looked at more than once.
	most := 4 * (d.nodes + maxExpanded)
	before := d.visited
	d.visited += n
	if before <= most && d.visited > most {
		d.fail(at, place, "aliases stand for more than %d values", maxExpanded)
	}
	return d.visited > most
}

// entry is a key of a mapping and its value.
type entry struct {
	key   string
	node  ast.Node // of the key
	value ast.Node
}

// entries returns the entries of a mapping, those of merge keys included, each key once.
func (d *decoder) entries(n ast.Node, at config.Place) []entry {
	seen, lines := map[string]bool{}, map[string]int{}
	var all []entry
	var merged []ast.Node
	for _, v := range mappingValues(n) {
		if v.Key.IsMergeKey() {
			merged = append(merged, v.Value)
			continue
		}
		key, ok := d.keyText(v.Key, at)
		switch {
		case !ok:
		case seen[key]:
			d.fail(v.Key, at.In(key), "the key %q is there twice, first in line %d", key, lines[key])
		default:
			seen[key], lines[key] = true, nodePosition(v.Key).line
			all = append(all, entry{key, v.Key, v.Value})
		}
	}
	for _, m := range merged {
		all = d.mergeEntries(all, seen, m, at)
	}
	return all
}

// mergeEntries appends the entries of a mapping, or a list of mappings, whose keys are not
// in seen.
func (d *decoder) mergeEntries(all []entry, seen map[string]bool, n ast.Node, at config.Place) []entry {
	n = d.resolve(n, at)
	switch found := n.(type) {
	case nil:
	case *ast.MappingNode, *ast.MappingValueNode:
		entries := d.entries(found, at)
		if d.tooMany(found, at, len(entries)) {
			return all
		}
		for _, e := range entries {
			if !seen[e.key] {
				seen[e.key] = true
				all = append(all, e)
			}
		}
	case *ast.SequenceNode:
		for _, v := range found.Values {
			if _, list := v.(*ast.SequenceNode); list {
				d.fail(v, at, "<< takes a mapping, or a list of mappings")
				continue
			}
			all = d.mergeEntries(all, seen, v, at)
		}
	default:
		d.fail(found, at, "<< takes a mapping, not %s", kindOf(found))
	}
	return all
}

func mappingValues(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func (d *decoder) keyText(n ast.Node, at config.Place) (string, bool) {
	key := d.resolve(n, at)
	if key == nil {
		return "", false
	}
	text, ok := scalarText(key)
	if !ok {
		d.fail(key, at, "a key is a text, not %s", kindOf(key))
	}
	return text, ok
}

func nodePosition(n ast.Node) position {
	switch found := n.(type) {
	case *ast.MappingNode:
		if !found.IsFlowStyle && len(found.Values) > 0 {
			return nodePosition(found.Values[0])
		}
	case *ast.MappingValueNode:
		return nodePosition(found.Key)
	case *ast.AnchorNode:
		if found.Value != nil {
			return nodePosition(found.Value)
		}
	}
	if n == nil || reflect.ValueOf(n).IsNil() || n.GetToken() == nil {
		return position{1, 1}
	}
	return positionOf(n.GetToken())
}

// scalarText returns the text of a scalar as it is written.
func scalarText(n ast.Node) (text string, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// kindOf describes a node for messages.
func kindOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode, *ast.MappingKeyNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "the number " + n.GetToken().Value
	}
	if text, ok := scalarText(n); ok {
		if len(text) > 40 {
			text = strings.ToValidUTF8(text[:40], "") + "..."
		}
		return fmt.Sprintf("the text %q", text)
	}
	return "something else"
}
