package document

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The forms of quantities, as errors show them.
const (
	DurationForm = "a duration such as 500ms, 10s, 5m, 2h or 1d"
	RateForm     = "a rate such as 200/s, 30/m or 10/h"
	SizeForm     = "a size such as 64KiB, 10MiB or 2MB"
	RatioForm    = "a percentage such as 0.1%, or a ratio such as 0.001"
)

// The bounds of quantities: what is above is a slip of the pen.
const (
	MaxDuration = 366 * 24 * time.Hour
	MaxRate     = 1e7 // per second
)

// ErrNoUnit is wrapped by the error of a quantity that is only a number.
var ErrNoUnit = errors.New("no unit")

// ParseNumber reads a decimal number that is not negative.
func ParseNumber(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" || s[0] == 'e' || s[0] == 'E' {
		return 0, fmt.Errorf("%s is not a number", Quoted(s))
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || math.IsInf(f, 0):
		return 0, fmt.Errorf("%s is not a number", Quoted(s))
	case math.Signbit(f):
		return 0, fmt.Errorf("%s is negative", Quoted(s))
	}
	return f, nil
}

// ParseDuration reads a duration as Go writes it, and days.
func ParseDuration(s string) (time.Duration, error) {
	if f, err := ParseNumber(s); err == nil {
		if f == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%s has %w", Quoted(s), ErrNoUnit)
	}
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%s is negative", Quoted(s))
	}
	var days time.Duration
	rest := s
	if number, after, ok := strings.Cut(s, "d"); ok {
		f, err := ParseNumber(number)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration", Quoted(s))
		}
		if f > MaxDuration.Hours()/24 {
			return 0, fmt.Errorf("%s is longer than a year", Quoted(s))
		}
		days, rest = time.Duration(math.Round(f*float64(24*time.Hour))), after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || strings.ContainsAny(rest[:1], "+-") {
		return 0, fmt.Errorf("%s is not a duration", Quoted(s))
	}
	if d > MaxDuration || d+days > MaxDuration {
		return 0, fmt.Errorf("%s is longer than a year", Quoted(s))
	}
	return d + days, nil
}

// ParseRate reads a rate and returns it per second.
func ParseRate(s string) (float64, error) {
	number, unit, ok := strings.Cut(s, "/")
	f, err := ParseNumber(strings.TrimSpace(number))
	if err != nil {
		return 0, err
	}
	if !ok {
		if f == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%s has %w", Quoted(s), ErrNoUnit)
	}
	switch strings.TrimSpace(unit) {
	case "s":
	case "m":
		f /= 60
	case "h":
		f /= 3600
	default:
		return 0, fmt.Errorf("%s has an unknown unit", Quoted(s))
	}
	if f > MaxRate {
		return 0, fmt.Errorf("%s is more than %.0f/s", Quoted(s), float64(MaxRate))
	}
	return f, nil
}

// ParseRatio reads a percentage or a ratio and returns it as 0..1.
func ParseRatio(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	number = strings.TrimSpace(number)
	f, err := ParseNumber(number)
	if err != nil {
		return 0, err
	}
	if percent && !strings.ContainsAny(number, "eE") {
		if f, err = ParseNumber(number + "e-2"); err != nil { // 0.1 / 100 is not 0.001
			return 0, err
		}
	} else if percent {
		f /= 100
	}
	if f > 1 {
		return 0, fmt.Errorf("%s is more than 100%%", Quoted(s))
	}
	return f, nil
}

// ParseSize reads a number of bytes.
func ParseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTkib")
	f, err := ParseNumber(strings.TrimSpace(number))
	if err != nil {
		return 0, err
	}
	unit, ok := map[string]float64{
		"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}[s[len(number):]]
	switch {
	case s[len(number):] == "":
		return 0, fmt.Errorf("%s has %w", Quoted(s), ErrNoUnit)
	case !ok:
		return 0, fmt.Errorf("%s has an unknown unit", Quoted(s))
	case f*unit > 1<<40:
		return 0, fmt.Errorf("%s is more than 1024GiB", Quoted(s))
	}
	return int64(f * unit), nil
}

// ParseWhole reads a whole number between two bounds.
func ParseWhole(least, most int64) func(string) (int64, error) {
	return func(s string) (int64, error) {
		n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n > most:
			if strings.HasPrefix(s, "-") {
				return 0, fmt.Errorf("%s is too small", Quoted(s))
			}
			return 0, fmt.Errorf("%s is too large", Quoted(s))
		case err != nil:
			return 0, fmt.Errorf("%s is not a whole number", Quoted(s))
		case n < least:
			return 0, fmt.Errorf("%s is too small", Quoted(s))
		}
		return n, nil
	}
}

// ParseBool reads true or false.
func ParseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither", Quoted(s))
}

// Duration reads a duration.
func (d *Decoder) Duration(n Node) (time.Duration, bool) {
	return Read(d, DurationForm, ParseDuration)(n)
}

// Positive reads a duration that is more than nothing.
func (d *Decoder) Positive(n Node) (time.Duration, bool) {
	return Read(d, DurationForm+", more than 0", func(s string) (time.Duration, error) {
		v, err := ParseDuration(s)
		if err == nil && v == 0 {
			err = fmt.Errorf("%s is no time", Quoted(s))
		}
		return v, err
	})(n)
}

// Rate reads a rate, per second.
func (d *Decoder) Rate(n Node) (float64, bool) { return Read(d, RateForm, ParseRate)(n) }

// Size reads a number of bytes.
func (d *Decoder) Size(n Node) (int64, bool) { return Read(d, SizeForm, ParseSize)(n) }

// Boolean reads true or false.
func (d *Decoder) Boolean(n Node) (bool, bool) { return Read(d, "true or false", ParseBool)(n) }

// Whole returns a reader of whole numbers between two bounds.
func (d *Decoder) Whole(least, most int64) func(Node) (int, bool) {
	expected := fmt.Sprintf("a whole number from %d to %d", least, most)
	return func(n Node) (int, bool) {
		v, ok := Read(d, expected, ParseWhole(least, most))(n)
		return int(v), ok
	}
}
