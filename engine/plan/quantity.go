package plan

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
	durationForm = "a duration such as 500ms, 10s, 5m, 2h or 1d"
	rateForm     = "a rate such as 200/s, 30/m or 10/h"
	sizeForm     = "a size such as 64KiB, 10MiB or 2MB"
	ratioForm    = "a percentage such as 0.1%, or a ratio such as 0.001"
)

// The bounds of quantities: what is above is a slip of the pen.
const (
	maxDuration = 366 * 24 * time.Hour
	maxRate     = 1e7 // per second
	maxUsers    = 1_000_000
	maxWeight   = 1_000_000
)

var errNoUnit = errors.New("no unit")

// parseNumber reads a decimal number that is not negative.
func parseNumber(s string) (float64, error) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" || s[0] == 'e' || s[0] == 'E' {
		return 0, fmt.Errorf("%s is not a number", quoted(s))
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || math.IsInf(f, 0):
		return 0, fmt.Errorf("%s is not a number", quoted(s))
	case math.Signbit(f):
		return 0, fmt.Errorf("%s is negative", quoted(s))
	}
	return f, nil
}

// parseDuration reads a duration as Go writes it, and days.
func parseDuration(s string) (time.Duration, error) {
	if f, err := parseNumber(s); err == nil {
		if f == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%s has %w", quoted(s), errNoUnit)
	}
	if strings.HasPrefix(s, "-") {
		return 0, fmt.Errorf("%s is negative", quoted(s))
	}
	var days time.Duration
	rest := s
	if number, after, ok := strings.Cut(s, "d"); ok {
		f, err := parseNumber(number)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration", quoted(s))
		}
		if f > maxDuration.Hours()/24 {
			return 0, fmt.Errorf("%s is longer than a year", quoted(s))
		}
		days, rest = time.Duration(math.Round(f*float64(24*time.Hour))), after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || strings.ContainsAny(rest[:1], "+-") {
		return 0, fmt.Errorf("%s is not a duration", quoted(s))
	}
	if d > maxDuration || d+days > maxDuration {
		return 0, fmt.Errorf("%s is longer than a year", quoted(s))
	}
	return d + days, nil
}

// parseRate reads a rate and returns it per second.
func parseRate(s string) (float64, error) {
	number, unit, ok := strings.Cut(s, "/")
	f, err := parseNumber(strings.TrimSpace(number))
	if err != nil {
		return 0, err
	}
	if !ok {
		if f == 0 {
			return 0, nil
		}
		return 0, fmt.Errorf("%s has %w", quoted(s), errNoUnit)
	}
	switch strings.TrimSpace(unit) {
	case "s":
	case "m":
		f /= 60
	case "h":
		f /= 3600
	default:
		return 0, fmt.Errorf("%s has an unknown unit", quoted(s))
	}
	if f > maxRate {
		return 0, fmt.Errorf("%s is more than %.0f/s", quoted(s), float64(maxRate))
	}
	return f, nil
}

// parseRatio reads a percentage or a ratio and returns it as 0..1.
func parseRatio(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	number = strings.TrimSpace(number)
	f, err := parseNumber(number)
	if err != nil {
		return 0, err
	}
	if percent && !strings.ContainsAny(number, "eE") {
		if f, err = parseNumber(number + "e-2"); err != nil { // 0.1 / 100 is not 0.001
			return 0, err
		}
	} else if percent {
		f /= 100
	}
	if f > 1 {
		return 0, fmt.Errorf("%s is more than 100%%", quoted(s))
	}
	return f, nil
}

// parseSize reads a number of bytes.
func parseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGTkib")
	f, err := parseNumber(strings.TrimSpace(number))
	if err != nil {
		return 0, err
	}
	unit, ok := map[string]float64{
		"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
	}[s[len(number):]]
	switch {
	case s[len(number):] == "":
		return 0, fmt.Errorf("%s has %w", quoted(s), errNoUnit)
	case !ok:
		return 0, fmt.Errorf("%s has an unknown unit", quoted(s))
	case f*unit > 1<<40:
		return 0, fmt.Errorf("%s is more than 1024GiB", quoted(s))
	}
	return int64(f * unit), nil
}

// parseWhole reads a whole number between two bounds.
func parseWhole(least, most int64) func(string) (int64, error) {
	return func(s string) (int64, error) {
		n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n > most:
			if strings.HasPrefix(s, "-") {
				return 0, fmt.Errorf("%s is too small", quoted(s))
			}
			return 0, fmt.Errorf("%s is too large", quoted(s))
		case err != nil:
			return 0, fmt.Errorf("%s is not a whole number", quoted(s))
		case n < least:
			return 0, fmt.Errorf("%s is too small", quoted(s))
		}
		return n, nil
	}
}

func parseBool(s string) (bool, error) {
	switch s {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither", quoted(s))
}

func (d *decoder) duration(n node) (time.Duration, bool) {
	return read(d, durationForm, parseDuration)(n)
}

// positive reads a duration that is more than nothing.
func (d *decoder) positive(n node) (time.Duration, bool) {
	return read(d, durationForm+", more than 0", func(s string) (time.Duration, error) {
		v, err := parseDuration(s)
		if err == nil && v == 0 {
			err = fmt.Errorf("%s is no time", quoted(s))
		}
		return v, err
	})(n)
}

func (d *decoder) rate(n node) (float64, bool) { return read(d, rateForm, parseRate)(n) }

func (d *decoder) size(n node) (int64, bool) { return read(d, sizeForm, parseSize)(n) }

func (d *decoder) boolean(n node) (bool, bool) { return read(d, "true or false", parseBool)(n) }

// whole returns a reader of whole numbers between two bounds.
func (d *decoder) whole(least, most int64) func(node) (int, bool) {
	expected := fmt.Sprintf("a whole number from %d to %d", least, most)
	return func(n node) (int, bool) {
		v, ok := read(d, expected, parseWhole(least, most))(n)
		return int(v), ok
	}
}
