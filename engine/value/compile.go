package value

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Limits that keep a single expression, however it was meant, from holding up a user for long or filling the memory.
const (
	maxSource = 16 << 10  // bytes of one expression
	maxNodes  = 1000      // parts of one expression
	maxWork   = 1_000_000 // see Env.spend
	maxItems  = 100_000   // of the lists that one evaluation makes
)

// want is what an expression must give.
type want uint8

const (
	anyValue want = iota
	truth
)

type programKind uint8

const (
	vmProgram programKind = iota
	constantProgram
	variableProgram
	columnProgram
	lookupProgram // of a part of the body
	statusProgram // status == number
	equalProgram  // a part of the body == text
)

// program is a compiled expression. What most expressions are is evaluated without the virtual machine.
type program struct {
	source      string
	kind        programKind
	name        string // of the variable or data set; of a constant its text; the path in the body
	column      string
	text        string
	number      int
	code        *vm.Program
	reads       []read
	readsStatus bool
}

// read is something an expression reads from the answer or the user, for [Condition.Describe].
type read struct {
	text string
	node ast.Node
	code *vm.Program
}

// compile compiles an expression that starts at offset of the text that mistakes are counted in.
func (c *Compiler) compile(source string, offset int, w want) (_ *program, errs Errors) {
	defer func() { // the parser and compiler are not ours
		if r := recover(); r != nil {
			errs = Errors{mistake(offset, "cannot compile %s: %v", short(source), r)}
		}
		for _, e := range errs {
			e.Offset = min(max(e.Offset, offset), offset+len(source))
		}
	}()
	if len(source) > maxSource {
		return nil, Errors{mistake(offset, "the expression is %d bytes long, expected at most %d", len(source), maxSource)}
	}
	if strings.TrimSpace(source) == "" {
		return nil, Errors{mistake(offset, "expected an expression, found nothing")}
	}
	fail := func(err error) Errors { return Errors{located(err, source, offset)} }

	config := newConfig()
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, fail(err)
	}
	r := rewriter{c: c, source: source, done: make(map[ast.Node]ast.Node)}
	tree.Node = r.rewrite(tree.Node)
	if len(r.errs) > 0 {
		for _, e := range r.errs {
			e.Offset += offset
		}
		return nil, r.errs
	}
	p := &program{source: source, readsStatus: r.readsStatus}
	if p.simple(tree.Node) && w == anyValue {
		return p, nil
	}
	if p.kind != statusProgram && p.kind != equalProgram {
		p.kind = vmProgram
		if w == truth {
			config.Expect, config.ExpectAny = reflect.Bool, true
		}
		if p.code, err = build(tree, config, w); err != nil {
			return nil, fail(err)
		}
	}
	if w == truth {
		p.reads = r.reads
		for i := range p.reads {
			if p.reads[i].code, err = build(&parser.Tree{Node: p.reads[i].node, Source: tree.Source}, newConfig(), anyValue); err != nil {
				return nil, fail(err)
			}
		}
	}
	return p, nil
}

// build checks the types, makes operators bear with nil and compiles.
func build(tree *parser.Tree, config *conf.Config, w want) (*vm.Program, error) {
	if _, err := checker.Check(tree, config); err != nil {
		return nil, err
	}
	ast.Walk(&tree.Node, &lenient{done: make(map[ast.Node]ast.Node)})
	if w == truth && unknown(tree.Node) {
		tree.Node = call("$truth", tree.Node.Location(), tree.Node)
	}
	if _, err := checker.Check(tree, config); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, config)
}

func newConfig() *conf.Config {
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	for name := range config.Builtins {
		if !native[name] {
			config.Disabled[name] = true
		}
	}
	for name := range config.Disabled {
		delete(config.Builtins, name)
	}
	for i := range own {
		config.Functions[own[i].name] = own[i].expr()
	}
	for i := range internal {
		config.Functions[internal[i].name] = internal[i].expr()
	}
	return config
}

// located makes a mistake of an error of the parser or checker.
func located(err error, source string, offset int) *Error {
	var at *file.Error
	if !errors.As(err, &at) {
		return mistake(offset, "%s", reworded(err.Error()))
	}
	return mistake(offset+byteOffset(source, at.From), "%s", reworded(at.Message))
}

// reworded says what the parser or checker says in the words of plans.
func reworded(message string) string {
	message = strings.TrimSpace(tokens.ReplaceAllString(message, "$1"))
	message = strings.TrimPrefix(message, "compilation failed: ")
	if found, ok := strings.CutPrefix(message, "expected bool, but got "); ok {
		return "found " + goKind(found) + " where true or false is expected"
	}
	switch {
	case strings.HasSuffix(message, `"="`):
		return message + ", expected == to compare"
	case strings.HasPrefix(message, "bad number syntax"):
		return message + ", expected a plain number (times are in seconds: 0.5)"
	case strings.Contains(message, "token EOF"):
		return "unexpected end of the expression"
	}
	return message
}

// tokens are the parser's names of tokens, as in Operator("=").
var tokens = regexp.MustCompile(`(?:Operator|Identifier|Bracket|Number|String|Bytes)\(("(?:[^"\\]|\\.)*")\)`)

// byteOffset turns an offset in characters, as the parser counts, into one in bytes.
func byteOffset(s string, characters int) int {
	for i := range s {
		if characters <= 0 {
			return i
		}
		characters--
	}
	return len(s)
}

// simple recognises the expressions that need no virtual machine.
func (p *program) simple(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.StringNode:
		p.kind, p.name = constantProgram, n.Value
		return true
	case *ast.CallNode:
		switch calleeName(n) {
		case "$variable":
			p.kind, p.name = variableProgram, n.Arguments[1].(*ast.StringNode).Value
			return true
		case "$column":
			p.kind, p.name = columnProgram, n.Arguments[1].(*ast.StringNode).Value
			p.column = n.Arguments[2].(*ast.StringNode).Value
			return true
		case "$lookup":
			p.kind, p.name = lookupProgram, n.Arguments[1].(*ast.StringNode).Value
			return true
		}
	case *ast.BinaryNode:
		left, ok := n.Left.(*ast.CallNode)
		if n.Operator != "==" || !ok {
			return false
		}
		number, isNumber := n.Right.(*ast.IntegerNode)
		text, isText := n.Right.(*ast.StringNode)
		switch name := calleeName(left); {
		case name == "$status" && isNumber:
			p.kind, p.number = statusProgram, number.Value
			return true
		case name == "$lookup" && isText:
			p.kind, p.name, p.text = equalProgram, left.Arguments[1].(*ast.StringNode).Value, text.Value
			return true
		}
	}
	return false
}

// run evaluates the program. What is missing is nil; what cannot be computed since something is missing is ErrNoValue.
func (p *program) run(env *Env) (any, error) {
	switch p.kind {
	case constantProgram:
		return p.name, nil
	case variableProgram:
		return env.variable(p.name), nil
	case columnProgram:
		return env.column(p.name, p.column), nil
	case lookupProgram:
		return env.lookup(p.name), nil
	case statusProgram:
		return env.status() == p.number, nil
	case equalProgram:
		return env.partIs(p.name, p.text), nil
	}
	return execute(p.code, env)
}

// execute runs code. An error that came after something was found missing is ErrNoValue: the operators of the language
// and most functions have no use for nil.
func execute(code *vm.Program, env *Env) (any, error) {
	env.missing, env.work = false, 0
	env.machine.MemoryBudget = maxItems
	v, err := env.machine.Run(code, env)
	if err != nil {
		if env.missing {
			return nil, fmt.Errorf("something in it %w", ErrNoValue)
		}
		return nil, plain(err)
	}
	return v, nil
}

// conversion is how the Go runtime says that a value has the wrong type.
var conversion = regexp.MustCompile(`^interface conversion: interface \{\} is (.+), not (.+)$`)

// plain takes the position and the excerpt from an error of the virtual machine, and Go's words from its text.
func plain(err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		return err
	}
	var bug runtime.Error
	if at.Prev != nil && !errors.As(at.Prev, &bug) {
		return at.Prev
	}
	if m := conversion.FindStringSubmatch(at.Message); m != nil {
		return fmt.Errorf("found %s where %s is expected", goKind(m[1]), goKind(m[2]))
	}
	if strings.HasPrefix(at.Message, "memory budget") {
		return fmt.Errorf("makes lists of more than %d items", maxItems)
	}
	return errors.New(strings.ReplaceAll(at.Message, "<nil>", "nil"))
}

func goKind(t string) string {
	switch {
	case t == "string":
		return "text"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"), strings.HasPrefix(t, "float"):
		return "a number"
	case strings.HasPrefix(t, "["):
		return "a list"
	case strings.HasPrefix(t, "map"):
		return "an object"
	default:
		return t
	}
}

// short returns s, or its beginning if it is long.
func short(s string) string { return truncate(s, 40) }

// truncate returns at most n bytes of s, the last of them … if s is longer, and never half a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
