package value

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/builtin"
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

// nativeFunctions are those of the expression language that are let in: they depend on nothing but their arguments, and
// what they cost is in proportion to these.
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
	{"now", "now()", `when the iteration was meant to start: RFC 3339, UTC; now().Format("2006-01-02") is the day`, true,
		func(any) time.Time { return time.Time{} }, func(a ...any) (any, error) { return a[0].(*Env).Now.UTC(), nil }},
	{"unix", "unix()", "now() in whole seconds since 1970", true,
		func(any) int { return 0 }, func(a ...any) (any, error) { return int(a[0].(*Env).Now.Unix()), nil }},
	{"unixMilli", "unixMilli()", "now() in whole milliseconds since 1970", true,
		func(any) int { return 0 }, func(a ...any) (any, error) { return int(a[0].(*Env).Now.UnixMilli()), nil }},
	{"base64", "base64(text)", "the text in base64 (RFC 4648, padded)", false,
		func(any, string) string { return "" }, ofText(base64Of)},
	{"sha256", "sha256(text)", "the SHA-256 checksum in hexadecimal digits", false,
		func(any, string) string { return "" }, ofText(sha256Of)},
	{"md5", "md5(text)", "the MD5 checksum in hexadecimal digits", false,
		func(any, string) string { return "" }, ofText(md5Of)},
	{"urlEncode", "urlEncode(text)", "the text percent-encoded", false,
		func(any, string) string { return "" }, ofText(percentOf)},
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
