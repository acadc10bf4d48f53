package value

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

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

func base64Of(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func sha256Of(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func md5Of(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

func percentOf(s string) string { return string(appendPercent(nil, []byte(s))) }

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
	n := strings.Count(s, from)
	a.size(len(s) + n*max(0, len(to)-len(from)))
	if a.err == nil {
		a.err = a.env.spend(n)
	}
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
