package answer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// seconds writes a length of time for a sentence.
func seconds(d time.Duration) string {
	switch {
	case d < 100*time.Second:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < 100*time.Minute:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		return text
	}
	return approximately(d)
}

// approximately writes how long something takes that is not known well.
func approximately(d time.Duration) string {
	h := d.Hours()
	switch {
	case d < 100*time.Second:
		return seconds(d)
	case h < 2:
		return fmt.Sprintf("%.0f minutes", d.Minutes())
	case h < 48:
		return fmt.Sprintf("%.3g hours", h)
	case h < 24*1000:
		return fmt.Sprintf("%.3g days", h/24)
	}
	return "more than 1,000 days"
}

// percent writes a relative change.
func percent(v float64) string {
	switch a := 100 * math.Abs(v); {
	case math.IsInf(v, 0):
		return "from nothing"
	case a >= 999.5:
		return fmt.Sprintf("%+.0f%%", 100*v)
	case a >= 0.05:
		return strings.Replace(fmt.Sprintf("%+.3g%%", 100*v), "e+02", "00", 1)
	}
	return "0%"
}

// joinText joins what belongs to one sentence.
func joinText(parts []string) string {
	if len(parts) > 3 {
		parts = append(append([]string{}, parts[:3]...), fmt.Sprintf("%d more", len(parts)-3))
	}
	return strings.Join(parts, ", ")
}

// precisely writes seconds for a sentence, to three digits, however short.
func precisely(v float64) string {
	switch {
	case v < 0.9995e-3 && v > 0:
		return fmt.Sprintf("%.3g µs", v*1e6)
	case v < 0.9995 && v > 0:
		return fmt.Sprintf("%.3g ms", v*1e3)
	case v >= 100:
		return durationOf(v).Round(time.Second).String()
	}
	return fmt.Sprintf("%.3g s", v)
}

func durationOf(seconds float64) time.Duration {
	return time.Duration(min(seconds, 1e9) * float64(time.Second))
}

// share writes a ratio.
func share(v float64) string { return fmt.Sprintf("%.3g%%", 100*v) }

// amount writes a value of a unit.
func amount(v float64, unit string) string {
	switch unit {
	case "By":
		for _, u := range []struct {
			size float64
			name string
		}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
			if math.Abs(v) >= u.size {
				return fmt.Sprintf("%.3g %s", v/u.size, u.name)
			}
		}
		return fmt.Sprintf("%.3g B", v)
	case "s":
		if v < 0 {
			return "-" + precisely(-v)
		}
		return precisely(v)
	case "ratio":
		return fmt.Sprintf("%.3g points", v*100)
	}
	if math.Abs(v) < 1000 {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return thousands(v)
}

// thousands writes a great number whole, in groups of three digits.
func thousands(v float64) string {
	text := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	if v < 0 {
		return "-" + text
	}
	return text
}

// perHour is the unit of a growth an hour.
func perHour(unit string) string {
	if unit == "ratio" {
		unit = "1"
	}
	return unit + "/h"
}
