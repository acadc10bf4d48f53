package document

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestQuantities(t *testing.T) {
	duration := func(s string) (any, error) { return orNil(ParseDuration(s)) }
	rate := func(s string) (any, error) { return orNil(ParseRate(s)) }
	ratio := func(s string) (any, error) { return orNil(ParseRatio(s)) }
	size := func(s string) (any, error) { return orNil(ParseSize(s)) }
	whole := func(s string) (any, error) { return orNil(ParseWhole(-3, 1000)(s)) }
	for _, c := range []struct {
		parse func(string) (any, error)
		text  string
		want  any // or the beginning of the error, after the text
	}{
		{duration, "500ms", 500 * time.Millisecond},
		{duration, "1h30m", 90 * time.Minute},
		{duration, "1.5d", 36 * time.Hour},
		{duration, "1d12h", 36 * time.Hour},
		{duration, "366d", MaxDuration},
		{duration, "0", time.Duration(0)},
		{duration, "10", "has no unit"},
		{duration, "1e3", "has no unit"},
		{duration, "-1s", "is negative"},
		{duration, "1d-1h", "is not a duration"},
		{duration, "d", "is not a duration"},
		{duration, "", "is not a duration"},
		{duration, "367d", "is longer than a year"},
		{duration, "366d1s", "is longer than a year"},
		{duration, "99999999999d", "is longer than a year"},
		{duration, "9999999h", "is not a duration"}, // more than Go can hold
		{duration, "soon", "is not a duration"},
		{rate, "200/s", 200.0},
		{rate, "30/m", 0.5},
		{rate, "36/h", 0.01},
		{rate, "1.5 / s", 1.5},
		{rate, "0", 0.0},
		{rate, "10000000/s", 1e7},
		{rate, "10000001/s", "is more than 10000000/s"},
		{rate, "5", "has no unit"},
		{rate, "5/d", "has an unknown unit"},
		{rate, "5/", "has an unknown unit"},
		{rate, "x/s", "is not a number"},
		{rate, "NaN/s", "is not a number"},
		{rate, "inf/s", "is not a number"},
		{rate, "0x10/s", "is not a number"},
		{rate, "-1/s", "is negative"},
		{ratio, "0.1%", 0.001},
		{ratio, "99.9%", 0.999},
		{ratio, "0.001", 0.001},
		{ratio, "100%", 1.0},
		{ratio, "1e1%", 0.1},
		{ratio, "0", 0.0},
		{ratio, "101%", "is more than 100%"},
		{ratio, "5", "is more than 100%"},
		{ratio, "%", "is not a number"},
		{size, "10MiB", int64(10 << 20)},
		{size, "2MB", int64(2_000_000)},
		{size, "1.5 kB", int64(1500)},
		{size, "12B", int64(12)},
		{size, "1024GiB", int64(1 << 40)},
		{size, "10", "has no unit"},
		{size, "10Mb", "has an unknown unit"},
		{size, "1025GiB", "is more than 1024GiB"},
		{size, "MiB", "is not a number"},
		{whole, "7", int64(7)},
		{whole, "1_000", int64(1000)},
		{whole, "1001", "is too large"},
		{whole, "-4", "is too small"},
		{whole, "-99999999999999999999", "is too small"},
		{whole, "99999999999999999999", "is too large"},
		{whole, "1.5", "is not a whole number"},
	} {
		got, err := c.parse(c.text)
		if message, wrong := c.want.(string); wrong {
			if want := Quoted(strings.TrimSpace(c.text)) + " " + message; err == nil || !strings.HasSuffix(err.Error(), message) {
				t.Errorf("%q: %v, %v, want the error %s", c.text, got, err, want)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%q: %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}

func orNil[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func TestNearest(t *testing.T) {
	keys := []string{"timeout", "headers", "auth", "json", "get", "post"}
	for word, want := range map[string]string{
		"timout": "timeout", "tiemout": "timeout", "Timeout": "timeout", "heders": "headers", "jsn": "json", "pots": "post",
		"x": "", "": "", "entirely": "", "GET": "get", "aut": "auth", strings.Repeat("post", 100): "",
	} {
		if got := Nearest(word, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"ab", "ba", 1}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"é", "e", 1}} {
		if got := distance([]rune(c.a), []rune(c.b)); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("name %d", i)
	}
	if got := UnknownName("name", "zzz", many); !strings.HasSuffix(got, `"name 39" or 60 more`) {
		t.Errorf("unknownName of many: %s", got)
	}
}
