package value

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxText is the length in bytes of the largest text one part of a template may become.
const maxText = 16 << 20

const hexDigits = "0123456789abcdef"

// appendText appends v as text: numbers in decimal, times as RFC 3339 (as far as nanoseconds are there), lists and
// objects as JSON.
func appendText(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return append(b, v...), nil
	case []byte:
		return append(b, v...), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case time.Time:
		return v.AppendFormat(b, time.RFC3339Nano), nil
	case time.Duration:
		return append(b, v.String()...), nil
	case nil:
		return b, ErrNoValue
	default:
		return appendJSON(b, v)
	}
}

// appendJSON appends v as JSON; the keys of an object in order.
func appendJSON(b []byte, v any) ([]byte, error) {
	return appendJSONUpTo(b, v, len(b)+maxText)
}

func appendJSONUpTo(b []byte, v any, limit int) ([]byte, error) {
	if len(b) > limit {
		return b, fmt.Errorf("becomes text of more than %d bytes", maxText)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case string:
		return appendQuoted(b, v), nil
	case []byte:
		return appendQuoted(b, string(v)), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return b, fmt.Errorf("is %v, which is not a number that can be written", v)
		}
		return appendFloat(b, v), nil
	case time.Time:
		b = append(b, '"')
		return append(v.AppendFormat(b, time.RFC3339Nano), '"'), nil
	case time.Duration:
		return appendQuoted(b, v.String()), nil
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(b, r.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(b, r.Uint(), 10), nil
	case reflect.Float32:
		return appendJSONUpTo(b, r.Float(), limit)
	case reflect.Slice, reflect.Array:
		return appendList(b, r, limit)
	case reflect.Map:
		return appendObject(b, r, limit)
	default:
		return b, fmt.Errorf("is %s, which cannot be written", kindName(v))
	}
}

func appendList(b []byte, list reflect.Value, limit int) ([]byte, error) {
	var err error
	b = append(b, '[')
	for i := range list.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendJSONUpTo(b, list.Index(i).Interface(), limit); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object reflect.Value, limit int) ([]byte, error) {
	keys := make([]string, 0, object.Len())
	members := make(map[string]any, object.Len())
	for it := object.MapRange(); it.Next(); {
		key := fmt.Sprint(it.Key().Interface())
		keys = append(keys, key)
		members[key] = it.Value().Interface()
	}
	slices.Sort(keys)
	var err error
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, key), ':')
		if b, err = appendJSONUpTo(b, members[key], limit); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// appendFloat writes a number as ECMAScript does, and so as every JSON writer does.
func appendFloat(b []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	return append(appendEscaped(b, s), '"')
}

// appendEscaped appends s as it stands between the quotes of a JSON string. What is not UTF-8 becomes U+FFFD.
func appendEscaped(b []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), '\xef', '\xbf', '\xbd')
				start = i + 1
			}
			i += n
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(b, s[start:]...)
}

// appendPercent appends s with everything but the unreserved characters of RFC 3986 percent-encoded, which suits a
// segment of a path, a part of a query and a form alike.
func appendPercent(b []byte, s []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, c := range s {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return b
}

// kindName says what v is in the words of plans.
func kindName(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "text"
	case bool:
		return "true or false"
	case time.Time:
		return "a time"
	case time.Duration:
		return "a length of time"
	}
	switch reflect.TypeOf(v).Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map:
		return "an object"
	case reflect.Func:
		return "a function"
	default:
		return "a " + reflect.TypeOf(v).String()
	}
}
