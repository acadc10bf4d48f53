package verdict

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Format writes a value for a person, to three significant digits: seconds (unit s) as µs, ms, s or minutes, a ratio as
// a percentage, a rate (1/s) per second, a count (1) in full with separators, bytes (By) in KiB, MiB or GiB, growths of these (By/h)
// per hour, anything else as it is.
func Format(v float64, unit string) string {
	switch unit {
	case "s":
		return formatSeconds(v)
	case "ratio":
		return digits(v*100) + "%"
	case "1/s":
		return digits(v) + "/s"
	case "1":
		return FormatCount(uint64(max(0, math.Round(v))))
	case "By":
		return formatBytes(v)
	case "1/h":
		return digits(v) + "/h"
	}
	if of, ok := strings.CutSuffix(unit, "/h"); ok {
		return Format(v, of) + "/h"
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

func formatSeconds(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0 ms"
	case a < 0.9995e-3:
		return digits(v*1e6) + " µs"
	case a < 0.9995:
		return digits(v*1e3) + " ms"
	case a < 99.95:
		return digits(v) + " s"
	}
	return FormatDuration(time.Duration(v * float64(time.Second)))
}

func formatBytes(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1 << 30, " GiB"}, {1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if math.Abs(v) >= 0.9995*u.size {
			return digits(v/u.size) + u.name
		}
	}
	return digits(v) + " B"
}

// FormatDuration writes a length of time to the second, or below ten seconds to the tenth: 5m0s, 1h2m3s, 2.5s.
func FormatDuration(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// FormatCount writes a count with separators: 1,234,567.
func FormatCount(n uint64) string {
	s := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// digits writes v to three significant digits without an exponent, from 1,000 on in full with separators.
func digits(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 999.5:
		sign := ""
		if v < 0 {
			sign = "-"
		}
		return sign + FormatCount(uint64(math.Round(a)))
	case a >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return trim(strconv.FormatFloat(v, 'f', 1, 64))
	case a >= 0.9995 || a == 0:
		return trim(strconv.FormatFloat(v, 'f', 2, 64))
	}
	decimals := 2 - int(math.Floor(math.Log10(a)))
	if decimals > 9 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return trim(strconv.FormatFloat(v, 'f', decimals, 64))
}

// trim takes zeros after the decimal point away.
func trim(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
