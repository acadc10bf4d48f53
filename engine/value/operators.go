package value

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/vm/runtime"
)

// lenient makes the operators of a checked expression bear with nil where the types of their operands are not known
// before: comparing nil is false, and nil is false where true or false is expected. It also has loops and joined text
// accounted for.
//
// The parser uses some nodes twice; done has what became of each.
type lenient struct{ done map[ast.Node]ast.Node }

// unknown reports whether the type of n is only known when it is evaluated.
func unknown(n ast.Node) bool {
	t := n.Type()
	return t == nil || t.Kind() == reflect.Interface
}

// Visit is called for each node after those below it.
func (l *lenient) Visit(node *ast.Node) {
	before := *node
	if as, ok := l.done[before]; ok {
		*node = as
		return
	}
	at := before.Location()
	switch n := before.(type) {
	case *ast.BinaryNode:
		switch n.Operator {
		case "<", "<=", ">", ">=", "contains", "startsWith", "endsWith":
			if unknown(n.Left) || unknown(n.Right) {
				*node = typed(call("$"+n.Operator, at, n.Left, n.Right), true)
			}
		case "matches":
			if unknown(n.Left) {
				n.Left = call("$text", at, n.Left)
				test := call("$exists", at, n.Left)
				*node = typed(&ast.ConditionalNode{Cond: typed(test, true), Exp1: n, Exp2: &ast.BoolNode{}}, true)
			}
		case "+":
			if k := kindOf(n); k < reflect.Int || k > reflect.Float64 {
				*node = withEnv("$add", at, n.Left, n.Right)
			}
		case "and", "or", "&&", "||":
			n.Left, n.Right = asTruth(n.Left), asTruth(n.Right)
		}
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			n.Node = asTruth(n.Node)
		}
	case *ast.ConditionalNode:
		n.Cond = asTruth(n.Cond)
	case *ast.PredicateNode:
		counted := &ast.SequenceNode{Nodes: []ast.Node{withEnv("$step", at), n.Node}}
		counted.SetType(n.Node.Type())
		n.Node = counted
	case *ast.BuiltinNode:
		switch n.Name {
		case "all", "any", "none", "one", "filter", "find", "count", "map", "sum":
			l.loop(n)
		}
	}
	l.done[before], l.done[*node] = *node, *node
}

// loop makes sure that a loop goes over a list, and that its condition is true or false.
func (l *lenient) loop(n *ast.BuiltinNode) {
	if unknown(n.Arguments[0]) {
		n.Arguments[0] = call("$list", n.Location(), n.Arguments[0])
	}
	if n.Name == "map" || n.Name == "sum" || len(n.Arguments) < 2 {
		return
	}
	if p, ok := n.Arguments[1].(*ast.PredicateNode); ok {
		p.Node = asTruth(p.Node)
	}
}

func kindOf(n ast.Node) reflect.Kind {
	if t := n.Type(); t != nil {
		return t.Kind()
	}
	return reflect.Interface
}

func typed(n ast.Node, v any) ast.Node {
	n.SetType(reflect.TypeOf(v))
	return n
}

func asTruth(n ast.Node) ast.Node {
	if !unknown(n) {
		return n
	}
	return typed(call("$truth", n.Location(), n), true)
}

// truthOf is v as a condition.
func truthOf(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	default:
		return false, fmt.Errorf("found %s where true or false is expected", kindName(v))
	}
}

// compare orders two values of the same kind. comparable is false if one of them is nil.
func compare(a, b any) (order int, comparable bool, err error) {
	if a == nil || b == nil {
		return 0, false, nil
	}
	switch x := a.(type) {
	case int:
		if y, ok := b.(int); ok {
			return cmp.Compare(x, y), true, nil
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true, nil
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), true, nil
		}
	case time.Duration:
		if y, ok := b.(time.Duration); ok {
			return cmp.Compare(x, y), true, nil
		}
	}
	x, xok := number(a)
	y, yok := number(b)
	if xok && yok {
		return cmp.Compare(x, y), true, nil
	}
	hint := ""
	if _, ok := a.(string); ok && yok {
		hint = ": float() makes a number of text"
	}
	if _, ok := b.(string); ok && xok {
		hint = ": float() makes a number of text"
	}
	return 0, false, fmt.Errorf("cannot compare %s with %s%s", kindName(a), kindName(b), hint)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	case time.Duration:
		return 0, false
	}
	r := reflect.ValueOf(v)
	switch {
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

func comparison(holds func(order int) bool) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		order, ok, err := compare(args[0], args[1])
		return ok && holds(order), err
	}
}

func textTest(what string, holds func(s, part string) bool) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		if args[0] == nil || args[1] == nil {
			return false, nil
		}
		s, sok := args[0].(string)
		part, pok := args[1].(string)
		if !sok || !pok {
			return nil, fmt.Errorf("%s is between texts, found %s and %s", what, kindName(args[0]), kindName(args[1]))
		}
		return holds(s, part), nil
	}
}

// item returns a member of an object or an item of a list (from the end if the index is negative), or nil.
func item(of, key any) any {
	switch of := of.(type) {
	case nil:
		return nil
	case map[string]any:
		if k, ok := key.(string); ok {
			return of[k]
		}
		return nil
	case map[string]string:
		if k, ok := key.(string); ok {
			if v, ok := of[k]; ok {
				return v
			}
		}
		return nil
	}
	list := reflect.ValueOf(of)
	i, ok := key.(int)
	if !ok || list.Kind() != reflect.Slice {
		return nil
	}
	if i < 0 {
		i += list.Len()
	}
	if i < 0 || i >= list.Len() {
		return nil
	}
	return list.Index(i).Interface()
}

func add(env *Env, a, b any) (any, error) {
	if x, ok := a.(string); ok {
		y, ok := b.(string)
		if !ok {
			return nil, fmt.Errorf("cannot add %s to text: string() makes text of it", kindName(b))
		}
		if err := env.spend((len(x) + len(y)) / 64); err != nil {
			return nil, err
		}
		return x + y, nil
	}
	return runtime.Add(a, b), nil
}
