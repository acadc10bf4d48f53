package value

import (
	"fmt"
	"reflect"
	"strings"
)

// internal are the functions that the language's own names and operators become.
var internal = []function{
	{name: "$status", like: func(any) int { return 0 }, fn: ofEnv(func(e *Env) any { return e.status() })},
	{name: "$duration", like: func(any) float64 { return 0 }, fn: ofEnv(func(e *Env) any { return e.responseTime.Seconds() })},
	{name: "$body", like: func(any) string { return "" }, fn: ofEnv(func(e *Env) any { return e.body() })},
	{name: "$user", like: func(any) int { return 0 }, fn: ofEnv(func(e *Env) any { return e.User })},
	{name: "$iteration", like: func(any) int { return 0 }, fn: ofEnv(func(e *Env) any { return e.Iter })},
	{name: "$json", like: func(any) any { return nil }, fn: ofEnv((*Env).whole)},
	{name: "$lookup", like: func(any, string) any { return nil }, fn: byName((*Env).lookup)},
	{name: "$header", like: func(any, string) any { return nil }, fn: byName((*Env).header)},
	{name: "$variable", like: func(any, string) any { return nil }, fn: byName((*Env).variable)},
	{name: "$column", like: func(any, string, string) any { return nil }, fn: func(a ...any) (any, error) {
		return a[0].(*Env).column(a[1].(string), a[2].(string)), nil
	}},
	{name: "$get", like: func(any, any, any) any { return nil }, fn: func(a ...any) (any, error) {
		if v := item(a[1], a[2]); v != nil {
			return v, nil
		}
		return a[0].(*Env).absent(), nil
	}},
	{name: "$step", like: func(any) any { return nil }, fn: func(a ...any) (any, error) {
		return nil, a[0].(*Env).spend(maxWork / maxItems)
	}},
	{name: "$add", like: func(any, any, any) any { return nil }, fn: func(a ...any) (any, error) {
		return add(a[0].(*Env), a[1], a[2])
	}},
	{name: "$truth", like: func(any) bool { return false }, fn: func(a ...any) (any, error) { return truthOf(a[0]) }},
	{name: "$exists", like: func(any) bool { return false }, fn: func(a ...any) (any, error) { return a[0] != nil, nil }},
	{name: "$list", like: func(any) any { return nil }, fn: func(a ...any) (any, error) {
		if reflect.ValueOf(a[0]).Kind() != reflect.Slice {
			return nil, fmt.Errorf("found %s where a list is expected", kindName(a[0]))
		}
		return a[0], nil
	}},
	{name: "$text", like: func(any) any { return nil }, fn: func(a ...any) (any, error) {
		if _, ok := a[0].(string); !ok && a[0] != nil {
			return nil, fmt.Errorf("matches is between texts, found %s", kindName(a[0]))
		}
		return a[0], nil
	}},
	{name: "$<", like: func(any, any) bool { return false }, fn: comparison(func(order int) bool { return order < 0 })},
	{name: "$<=", like: func(any, any) bool { return false }, fn: comparison(func(order int) bool { return order <= 0 })},
	{name: "$>", like: func(any, any) bool { return false }, fn: comparison(func(order int) bool { return order > 0 })},
	{name: "$>=", like: func(any, any) bool { return false }, fn: comparison(func(order int) bool { return order >= 0 })},
	{name: "$contains", like: func(any, any) bool { return false }, fn: textTest("contains", strings.Contains)},
	{name: "$startsWith", like: func(any, any) bool { return false }, fn: textTest("startsWith", strings.HasPrefix)},
	{name: "$endsWith", like: func(any, any) bool { return false }, fn: textTest("endsWith", strings.HasSuffix)},
}

func ofEnv(f func(*Env) any) func(args ...any) (any, error) {
	return func(args ...any) (any, error) { return f(args[0].(*Env)), nil }
}

func byName(f func(*Env, string) any) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		name, ok := args[1].(string)
		if !ok {
			return nil, fmt.Errorf("found %s where a name is expected", kindName(args[1]))
		}
		return f(args[0].(*Env), name), nil
	}
}
