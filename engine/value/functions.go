package value

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"
	"github.com/tidwall/gjson"
)

// Function describes one function of the language.
type Function struct {
	Name      string
	Signature string // randInt(min, max)
	Help      string // what it returns
}

// function is a function as the virtual machine calls it.
type function struct {
	name      string
	signature string
	help      string
	perUser   bool                           // needs the random numbers or the clock of a user
	like      any                            // a function whose type, after the Env, is that of the parameters and the result
	fn        func(args ...any) (any, error) // args[0] is the Env
}

func (f *function) expr() *builtin.Function {
	return &builtin.Function{Name: f.name, Func: f.fn, Types: []reflect.Type{reflect.TypeOf(f.like)}}
}

// Functions lists the functions of the language by name, for the documentation.
func Functions() []Function {
	all := slices.Clone(nativeFunctions)
	for _, f := range own {
		all = append(all, Function{Name: f.name, Signature: f.signature, Help: f.help})
	}
	slices.SortFunc(all, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func functionNames() []string {
	all := Functions()
	names := make([]string, len(all))
	for i := range all {
		names[i] = all[i].Name
	}
	return names
}

// nativeFunctions are those of the expression language that are let in: they depend on nothing but their arguments, and what they cost
// is in proportion to these.
var nativeFunctions = []Function{
	{"abs", "abs(x)", "the number without its sign"},
	{"all", "all(list, condition)", "whether the condition holds for every item; an item is #, its members .name"},
	{"any", "any(list, condition)", "whether the condition holds for an item"},
	{"ceil", "ceil(x)", "the next whole number above"},
	{"count", "count(list, condition)", "for how many items the condition holds"},
	{"duration", "duration(text)", `a length of time to add to now(): now() + duration("1h30m")`},
	{"filter", "filter(list, condition)", "the items for which the condition holds"},
	{"find", "find(list, condition)", "the first item for which the condition holds, or nil"},
	{"first", "first(list)", "the first item, or nil"},
	{"float", "float(x)", "a number of text or a number"},
	{"floor", "floor(x)", "the next whole number below"},
	{"fromBase64", "fromBase64(text)", "the text that was encoded"},
	{"indexOf", "indexOf(text, part)", "the byte where part starts, or -1"},
	{"int", "int(x)", "a whole number of text or a number"},
	{"last", "last(list)", "the last item, or nil"},
	{"len", "len(x)", "how many characters, items or members there are"},
	{"lower", "lower(text)", "the text in lower case"},
	{"map", "map(list, expression)", "the list of the expression's values, one for each item"},
	{"max", "max(a, b, ...)", "the largest number"},
	{"mean", "mean(list)", "the mean of the numbers"},
	{"median", "median(list)", "the median of the numbers"},
	{"min", "min(a, b, ...)", "the smallest number"},
	{"none", "none(list, condition)", "whether the condition holds for no item"},
	{"one", "one(list, condition)", "whether the condition holds for exactly one item"},
	{"round", "round(x)", "the nearest whole number"},
	{"sort", "sort(list)", "the items in order"},
	{"sum", "sum(list)", "the sum of the numbers"},
	{"trim", "trim(text)", "the text without white space around it"},
	{"trimPrefix", "trimPrefix(text, prefix)", "the text without the prefix"},
	{"trimSuffix", "trimSuffix(text, suffix)", "the text without the suffix"},
	{"type", "type(x)", "the name of the type: int, float, string, bool, array, map, nil"},
	{"upper", "upper(text)", "the text in upper case"},
}

var native = func() map[string]bool {
	set := make(map[string]bool)
	for _, f := range nativeFunctions {
		set[f.Name] = true
	}
	return set
}()

// own are the functions that we add, or put in the place of the expression language's.
var own = []function{
	{"randInt", "randInt(min, max)", "a whole number from min to max, both included", true,
		func(any, int, int) int { return 0 }, randInt},
	{"randFloat", "randFloat(min, max)", "a number from min up to max", true,
		func(any, float64, float64) float64 { return 0 }, randFloat},
	{"randChoice", "randChoice(list)", "an item of the list", true,
		func(any, any) any { return nil }, randChoice},
	{"randString", "randString(n)", "n letters and digits", true,
		func(any, int) string { return "" }, randFrom("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")},
	{"randHex", "randHex(n)", "n hexadecimal digits", true,
		func(any, int) string { return "" }, randFrom(hexDigits)},
	{"uuid", "uuid()", "a random UUID (version 4)", true,
		func(any) string { return "" }, uuid},
	{"now", "now()", `the time the iteration was meant to start, as text in RFC 3339, UTC; now().Format("2006-01-02") as any other`, true,
		func(any) time.Time { return time.Time{} }, func(a ...any) (any, error) { return a[0].(*Env).Now.UTC(), nil }},
	{"unix", "unix()", "now() in whole seconds since 1970", true,
		func(any) int { return 0 }, func(a ...any) (any, error) { return int(a[0].(*Env).Now.Unix()), nil }},
	{"unixMilli", "unixMilli()", "now() in whole milliseconds since 1970", true,
		func(any) int { return 0 }, func(a ...any) (any, error) { return int(a[0].(*Env).Now.UnixMilli()), nil }},
	{"base64", "base64(text)", "the text in base64 (RFC 4648, padded)", false,
		func(any, string) string { return "" }, ofText(func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) })},
	{"sha256", "sha256(text)", "the SHA-256 checksum in hexadecimal digits", false,
		func(any, string) string { return "" }, ofText(func(s string) string { x := sha256.Sum256([]byte(s)); return hex.EncodeToString(x[:]) })},
	{"md5", "md5(text)", "the MD5 checksum in hexadecimal digits", false,
		func(any, string) string { return "" }, ofText(func(s string) string { x := md5.Sum([]byte(s)); return hex.EncodeToString(x[:]) })},
	{"urlEncode", "urlEncode(text)", "the text percent-encoded", false,
		func(any, string) string { return "" }, ofText(func(s string) string { return string(appendPercent(nil, []byte(s))) })},
	{"string", "string(x)", "the value as text, as ${x} writes it", false,
		func(any, any) string { return "" }, toText},
	{"toJSON", "toJSON(x)", "the value as JSON", false,
		func(any, any) string { return "" }, toJSON},
	{"fromJSON", "fromJSON(text)", "the value that the JSON text says", false,
		func(any, string) any { return nil }, parseJSON},
	{"split", "split(text, separator)", "the list of parts", false,
		func(any, string, string) []string { return nil }, splitText},
	{"keys", "keys(object)", "the names of the members, in order", false,
		func(any, any) any { return nil }, keys},
	{"values", "values(object)", "the values of the members, in the order of their names", false,
		func(any, any) any { return nil }, values},
	{"replace", "replace(text, old, new)", "the text with every old replaced", false,
		func(any, string, string, string) string { return "" }, replace},
	{"repeat", "repeat(text, n)", "the text n times", false,
		func(any, string, int) string { return "" }, repeat},
	{"join", "join(list, separator)", "the items as one text", false,
		func(any, any, string) string { return "" }, join},
}

// arguments reads the arguments of a call; those whose types were not known before are checked here.
type arguments struct {
	env  *Env
	args []any
	err  error
}

func read0(args []any) arguments { return arguments{env: args[0].(*Env), args: args} }

func (a *arguments) fail(i int, expected string) {
	if a.err == nil {
		a.err = fmt.Errorf("found %s as argument %d, expected %s", kindName(a.args[i]), i, expected)
	}
}

func (a *arguments) text(i int) string {
	s, ok := a.args[i].(string)
	if !ok {
		a.fail(i, "text")
	}
	return s
}

func (a *arguments) float(i int) float64 {
	f, ok := number(a.args[i])
	if !ok {
		a.fail(i, "a number")
	}
	return f
}

func (a *arguments) int(i int) int {
	if n, ok := a.args[i].(int); ok {
		return n
	}
	f, ok := number(a.args[i])
	if !ok || f != float64(int(f)) {
		a.fail(i, "a whole number")
		return 0
	}
	return int(f)
}

func (a *arguments) random() *rand.Rand {
	if a.env.Rand == nil && a.err == nil {
		a.err = errors.New("has no source of random numbers")
	}
	return a.env.Rand
}

// size checks that n is a length, and accounts for it.
func (a *arguments) size(n int) {
	if a.err != nil {
		return
	}
	if n < 0 || n > maxText {
		a.err = fmt.Errorf("makes text of %d bytes, expected 0 to %d", n, maxText)
		return
	}
	a.err = a.env.spend(n / 64)
}

func randInt(args ...any) (any, error) {
	a := read0(args)
	lo, hi, r := a.int(1), a.int(2), a.random()
	if a.err == nil && lo > hi {
		a.err = fmt.Errorf("randInt(%d, %d): the first number must not be larger than the second", lo, hi)
	}
	if a.err != nil {
		return nil, a.err
	}
	n := uint64(hi) - uint64(lo) + 1
	if n == 0 { // all 64 bits
		return int(r.Uint64()), nil
	}
	return int(uint64(lo) + r.Uint64N(n)), nil
}

func randFloat(args ...any) (any, error) {
	a := read0(args)
	lo, hi, r := a.float(1), a.float(2), a.random()
	if a.err != nil {
		return nil, a.err
	}
	return lo + (hi-lo)*r.Float64(), nil
}

func randChoice(args ...any) (any, error) {
	a := read0(args)
	r := a.random()
	list := reflect.ValueOf(args[1])
	if list.Kind() != reflect.Slice {
		a.fail(1, "a list")
	} else if list.Len() == 0 && a.err == nil {
		a.err = errors.New("randChoice: the list is empty")
	}
	if a.err != nil {
		return nil, a.err
	}
	return list.Index(r.IntN(list.Len())).Interface(), nil
}

func randFrom(alphabet string) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		a := read0(args)
		n, r := a.int(1), a.random()
		a.size(n)
		if a.err != nil {
			return nil, a.err
		}
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return string(b), nil
	}
}

// uuid makes a version 4 UUID of RFC 9562 from the user's random numbers.
func uuid(args ...any) (any, error) {
	a := read0(args)
	r := a.random()
	if a.err != nil {
		return nil, a.err
	}
	var bits [16]byte
	binary.BigEndian.PutUint64(bits[:8], r.Uint64())
	binary.BigEndian.PutUint64(bits[8:], r.Uint64())
	bits[6] = bits[6]&0x0f | 0x40 // version
	bits[8] = bits[8]&0x3f | 0x80 // variant
	text := make([]byte, 0, 36)
	for i, b := range bits {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		text = append(text, hexDigits[b>>4], hexDigits[b&15])
	}
	return string(text), nil
}

func ofText(f func(string) string) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		a := read0(args)
		s := a.text(1)
		a.size(len(s))
		if a.err != nil {
			return nil, a.err
		}
		return f(s), nil
	}
}

func toText(args ...any) (any, error) {
	if s, ok := args[1].(string); ok {
		return s, nil
	}
	b, err := appendText(nil, args[1])
	if err != nil {
		return nil, err
	}
	return string(b), args[0].(*Env).spend(len(b) / 64)
}

func toJSON(args ...any) (any, error) {
	b, err := appendJSON(nil, args[1])
	if err != nil {
		return nil, err
	}
	return string(b), args[0].(*Env).spend(len(b) / 64)
}

// parseJSON returns nil for text that is not JSON, as json does for a body.
func parseJSON(args ...any) (any, error) {
	a := read0(args)
	s := a.text(1)
	a.size(len(s))
	if a.err != nil {
		return nil, a.err
	}
	if !validJSON([]byte(s)) {
		return a.env.absent(), nil
	}
	return fromJSON(gjson.Parse(s)), nil
}

func splitText(args ...any) (any, error) {
	a := read0(args)
	s, separator := a.text(1), a.text(2)
	if a.err == nil {
		a.err = a.env.spend(strings.Count(s, separator) + 1)
	}
	if a.err != nil {
		return nil, a.err
	}
	return strings.Split(s, separator), nil
}

// keys sorts, since a run must be repeatable.
func keys(args ...any) (any, error) {
	names, err := sortedKeys(args)
	return names, err
}

func values(args ...any) (any, error) {
	names, err := sortedKeys(args)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = item(args[1], name)
	}
	return list, nil
}

func sortedKeys(args []any) ([]string, error) {
	a := read0(args)
	var names []string
	switch object := args[1].(type) {
	case map[string]any:
		names = slices.Sorted(maps.Keys(object))
	case map[string]string:
		names = slices.Sorted(maps.Keys(object))
	default:
		a.fail(1, "an object")
		return nil, a.err
	}
	return names, a.env.spend(len(names))
}

func replace(args ...any) (any, error) {
	a := read0(args)
	s, from, to := a.text(1), a.text(2), a.text(3)
	a.size(len(s) + strings.Count(s, from)*max(0, len(to)-len(from)))
	if a.err != nil {
		return nil, a.err
	}
	return strings.ReplaceAll(s, from, to), nil
}

func repeat(args ...any) (any, error) {
	a := read0(args)
	s, n := a.text(1), a.int(2)
	if n < 0 || n > maxText {
		a.size(n)
	}
	a.size(len(s) * n)
	if a.err != nil {
		return nil, a.err
	}
	return strings.Repeat(s, n), nil
}

func join(args ...any) (any, error) {
	a := read0(args)
	separator := a.text(2)
	list := reflect.ValueOf(args[1])
	if list.Kind() != reflect.Slice {
		a.fail(1, "a list")
	}
	var b []byte
	for i := 0; a.err == nil && i < list.Len(); i++ {
		if i > 0 {
			b = append(b, separator...)
		}
		start := len(b)
		if b, a.err = appendText(b, list.Index(i).Interface()); a.err == nil {
			a.size(len(b) - start + len(separator) + 64)
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return string(b), nil
}
