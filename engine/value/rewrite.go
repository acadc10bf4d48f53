package value

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/tidwall/gjson"
)

// rewriter resolves the names of an expression. What reads the answer or the user becomes a call of one of the internal
// functions, so that nothing is fetched or decoded that is not used; a chain such as json.items[0].id becomes one lookup.
type rewriter struct {
	c           *Compiler
	source      string
	errs        Errors
	locals      []string // let names in scope
	done        map[ast.Node]ast.Node
	reads       []read
	readsStatus bool
	inLoop      int
	orElse      int // inside the left side of ??
}

// builtinNames are the names that always exist.
var builtinNames = []string{"status", "duration", "body", "json", "header", "user", "iteration", "env"}

// words are the expression language's own.
var words = []string{
	"true", "false", "nil", "let", "if", "else", "not", "and", "or", "in", "matches", "contains", "startsWith", "endsWith",
}

func (r *rewriter) fail(at ast.Node, format string, args ...any) ast.Node {
	e := mistake(byteOffset(r.source, at.Location().From), format, args...)
	r.errs = append(r.errs, e)
	return &ast.NilNode{}
}

// call makes a call of an internal function.
func call(name string, at file.Location, args ...ast.Node) ast.Node {
	callee := &ast.IdentifierNode{Value: name}
	callee.SetLocation(at)
	n := &ast.CallNode{Callee: callee, Arguments: args}
	n.SetLocation(at)
	return n
}

// withEnv makes a call of an internal function that sees the Env.
func withEnv(name string, at file.Location, args ...ast.Node) ast.Node {
	return call(name, at, append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, args...)...)
}

func text(s string) ast.Node { return &ast.StringNode{Value: s} }

func calleeName(n *ast.CallNode) string {
	if id, ok := n.Callee.(*ast.IdentifierNode); ok {
		return id.Value
	}
	return ""
}

// rewrite returns the node that takes the place of n. The parser uses some nodes twice.
func (r *rewriter) rewrite(n ast.Node) ast.Node {
	if n == nil {
		return nil
	}
	if as, ok := r.done[n]; ok {
		return as
	}
	as := r.node(n)
	r.done[n], r.done[as] = as, as
	return as
}

func (r *rewriter) all(nodes []ast.Node) {
	for i := range nodes {
		nodes[i] = r.rewrite(nodes[i])
	}
}

func (r *rewriter) node(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return r.name(n)
	case *ast.MemberNode:
		return r.member(n)
	case *ast.CallNode:
		return r.call(n)
	case *ast.ChainNode:
		return r.rewrite(n.Node) // members bear with nil anyway
	case *ast.BinaryNode:
		return r.binary(n)
	case *ast.BuiltinNode:
		if !native[n.Name] {
			return r.fail(n, "unknown function %s%s", n.Name, suggestion(n.Name, functionNames()))
		}
		r.all(n.Arguments)
	case *ast.PredicateNode:
		r.inLoop++
		n.Node = r.rewrite(n.Node)
		r.inLoop--
	case *ast.VariableDeclaratorNode:
		if err := CheckName(n.Name); err != nil {
			return r.fail(n, "%v", err)
		}
		n.Value = r.rewrite(n.Value)
		r.locals = append(r.locals, n.Name)
		n.Expr = r.rewrite(n.Expr)
		r.locals = r.locals[:len(r.locals)-1]
	case *ast.UnaryNode:
		n.Node = r.rewrite(n.Node)
	case *ast.SliceNode:
		n.Node, n.From, n.To = r.rewrite(n.Node), r.rewrite(n.From), r.rewrite(n.To)
	case *ast.ConditionalNode:
		n.Cond, n.Exp1, n.Exp2 = r.rewrite(n.Cond), r.rewrite(n.Exp1), r.rewrite(n.Exp2)
	case *ast.SequenceNode:
		r.all(n.Nodes)
	case *ast.ArrayNode:
		r.all(n.Nodes)
	case *ast.MapNode:
		r.all(n.Pairs)
	case *ast.PairNode:
		n.Key, n.Value = r.rewrite(n.Key), r.rewrite(n.Value)
	}
	return n
}

// binary treats env.NAME ?? default apart, since an environment variable without a value is a mistake elsewhere.
func (r *rewriter) binary(n *ast.BinaryNode) ast.Node {
	if n.Operator == "??" {
		r.orElse++
		n.Left = r.rewrite(n.Left)
		r.orElse--
		n.Right = r.rewrite(n.Right)
		switch n.Left.(type) {
		case *ast.StringNode:
			return n.Left
		case *ast.NilNode:
			return n.Right
		}
		return n
	}
	outer := r.orElse
	r.orElse = 0
	n.Left, n.Right = r.rewrite(n.Left), r.rewrite(n.Right)
	r.orElse = outer
	return n
}

func (r *rewriter) name(n *ast.IdentifierNode) ast.Node {
	at := n.Location()
	if slices.Contains(r.locals, n.Value) {
		return n
	}
	switch n.Value {
	case "env":
		return r.fail(n, "env needs the name of a variable: env.NAME")
	case "header":
		return r.fail(n, `header needs the name of a field: header["Content-Type"]`)
	}
	if slices.Contains(builtinNames, n.Value) {
		r.readsStatus = r.readsStatus || n.Value == "status"
		return r.read(n, withEnv("$"+n.Value, at))
	}
	if _, ok := r.c.Names[n.Value]; ok {
		return r.read(n, withEnv("$variable", at, text(n.Value)))
	}
	if slices.Contains(functionNames(), n.Value) {
		return r.fail(n, "%s is a function: expected %s(...)", n.Value, n.Value)
	}
	return r.fail(n, "unknown name %s%s", n.Value, suggestion(n.Value, r.known()))
}

// known returns all names there are, the plan's own first.
func (r *rewriter) known() []string {
	return slices.Concat(r.locals, slices.Sorted(maps.Keys(r.c.Names)), builtinNames)
}

// read takes down what is read; in a loop it is not the same each time.
func (r *rewriter) read(as ast.Node, node ast.Node) ast.Node {
	if r.c.constant {
		r.errs = append(r.errs, mistake(byteOffset(r.source, as.Location().From),
			"%s is not known before the run: only environment variables can be used here, as in ${env.NAME}", as.String()))
		return node
	}
	text := as.String()
	if r.inLoop == 0 && !slices.ContainsFunc(r.reads, func(x read) bool { return x.text == text }) {
		r.reads = append(r.reads, read{text: text, node: node})
	}
	return node
}

// root takes a chain of members apart: json.items[0].id is json, "items", 0, "id". properties is nil if one of them is
// only known when the expression is evaluated.
func root(n *ast.MemberNode) (name string, properties []ast.Node) {
	known := true
	for {
		switch p := n.Property.(type) {
		case *ast.StringNode:
			known = known && p.Value != ""
		case *ast.IntegerNode:
			known = known && p.Value >= 0
		default:
			known = false
		}
		properties = append(properties, n.Property)
		base := n.Node
		if chain, ok := base.(*ast.ChainNode); ok {
			base = chain.Node
		}
		switch b := base.(type) {
		case *ast.MemberNode:
			n = b
			continue
		case *ast.IdentifierNode:
			name = b.Value
		}
		slices.Reverse(properties)
		if !known {
			return name, nil
		}
		return name, properties
	}
}

func (r *rewriter) member(n *ast.MemberNode) ast.Node {
	name, properties := root(n)
	if slices.Contains(r.locals, name) {
		return r.get(n)
	}
	if name == "json" && properties != nil {
		keys := make([]string, len(properties))
		for i := range properties {
			switch p := properties[i].(type) {
			case *ast.StringNode:
				keys[i] = gjson.Escape(p.Value)
			case *ast.IntegerNode:
				keys[i] = strconv.Itoa(p.Value)
			}
		}
		return r.read(n, withEnv("$lookup", n.Location(), text(strings.Join(keys, "."))))
	}
	base, ok := n.Node.(*ast.IdentifierNode)
	if !ok {
		return r.get(n)
	}
	property, isText := n.Property.(*ast.StringNode)
	switch columns := r.c.Names[base.Value]; {
	case base.Value == "header":
		return r.header(n, n.Property)
	case base.Value == "env" && isText:
		return r.environment(base, property)
	case columns != nil && isText:
		if !slices.Contains(columns, property.Value) {
			return r.fail(property, "unknown column %s of %s%s", property.Value, base.Value, hint(property.Value, columns))
		}
		return r.read(n, withEnv("$column", n.Location(), text(base.Value), text(property.Value)))
	}
	return r.get(n)
}

// hint is a suggestion, or else a list of what there is.
func hint(name string, candidates []string) string {
	if s := suggestion(name, candidates); s != "" {
		return s
	}
	return ", expected one of " + truncate(strings.Join(candidates, ", "), 120)
}

func (r *rewriter) get(n *ast.MemberNode) ast.Node {
	return withEnv("$get", n.Location(), r.rewrite(n.Node), r.rewrite(n.Property))
}

func (r *rewriter) header(as ast.Node, name ast.Node) ast.Node {
	node := withEnv("$header", as.Location(), r.rewrite(name))
	if _, ok := name.(*ast.StringNode); ok {
		return r.read(as, node)
	}
	return node
}

func (r *rewriter) environment(at ast.Node, name *ast.StringNode) ast.Node {
	if r.c.Getenv != nil {
		if v, ok := r.c.Getenv(name.Value); ok {
			return text(v)
		}
	}
	if r.orElse > 0 {
		return &ast.NilNode{}
	}
	return r.fail(at, `environment variable %s is not set: set it, or give a default: env.%s ?? "..."`, name.Value, name.Value)
}

func (r *rewriter) call(n *ast.CallNode) ast.Node {
	if method, ok := n.Callee.(*ast.MemberNode); ok {
		method.Node = r.rewrite(method.Node)
		r.all(n.Arguments)
		return n
	}
	name := calleeName(n)
	if name == "header" && len(n.Arguments) == 1 {
		return r.header(n, n.Arguments[0])
	}
	i := slices.IndexFunc(own, func(f function) bool { return f.name == name })
	if i < 0 {
		return r.fail(n, "unknown function %s%s", name, suggestion(name, functionNames()))
	}
	r.all(n.Arguments)
	if own[i].perUser && r.c.constant {
		return r.fail(n, "%s() is not known before the run: only environment variables can be used here, as in ${env.NAME}", name)
	}
	n.Arguments = append([]ast.Node{&ast.IdentifierNode{Value: "$env"}}, n.Arguments...)
	return n
}

// CheckName reports why name cannot be the name of an extracted value or of a data set: it is not a word, or it means
// something else already.
func CheckName(name string) error {
	for i, c := range name {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("%q cannot be a name: expected letters, digits and _, and no digit first", short(name))
		}
	}
	switch {
	case name == "":
		return errors.New("expected a name, found nothing")
	case slices.Contains(builtinNames, name), slices.Contains(words, name), slices.Contains(functionNames(), name):
		return fmt.Errorf("%q cannot be a name: it has a meaning of its own in expressions", name)
	}
	return nil
}
