package html

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"tidegauge/engine/verdict"
)

// tick is a value that an axis names.
type tick struct {
	At    string // percent of the axis' length, from its beginning
	Label string
	Minor bool // left out where there is little room
}

// axis maps values to 0..1.
type axis struct {
	low, high float64
	step      float64 // between ticks, of one that is not logarithmic
	log       bool
	unit      string
}

// at returns where a value lies, from 0 to 1; values beyond the ends lie at them.
func (a *axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(max(v, a.low))
	}
	if !(high > low) {
		return 0
	}
	return min(max((v-low)/(high-low), 0), 1)
}

// maxTicks bounds what an axis names, whatever a damaged report says.
const maxTicks = 40

// wide is how much greater than the least the greatest value has to be for a logarithmic axis.
const wide = 30

// valueAxis returns a vertical axis for values of a unit, from 0 unless they differ so much that only logarithms show them all.
func valueAxis(values []float64, unit string, logarithmic bool) axis {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			low = min(low, v)
		}
		high = max(high, v)
	}
	if logarithmic && high > wide*low {
		return axis{low: floor125(low), high: ceil125(high), log: true, unit: unit}
	}
	if high == 0 {
		high = 1
		if unit == "s" {
			high = 0.001
		}
	}
	if unit == "ratio" && high > 0.5 && high <= 1 {
		return axis{high: 1, step: 0.25, unit: unit}
	}
	step := linearStep(high, unit, 4)
	return axis{high: math.Ceil(high/step*1.02) * step, step: step, unit: unit}
}

func magnitude(v float64) float64 { return math.Pow(10, math.Floor(math.Log10(v))) }

func ceil125(v float64) float64 {
	m := magnitude(v)
	for _, k := range []float64{1, 2, 5, 10} {
		if k*m >= v*0.999999 {
			return k * m
		}
	}
	return 10 * m
}

func floor125(v float64) float64 {
	m := magnitude(v)
	for _, k := range []float64{5, 2, 1} {
		if k*m <= v*1.000001 {
			return k * m
		}
	}
	return m
}

// linearStep returns a round step of which about n reach the greatest value: of bytes a power of two.
func linearStep(high float64, unit string, n int) float64 {
	if unit == "By" {
		return math.Exp2(math.Ceil(math.Log2(high / float64(n))))
	}
	step := ceil125(high / float64(n))
	if unit == "1" {
		step = max(step, 1)
	}
	return step
}

// ticks returns the values that a vertical axis names, as percent from its top.
func (a *axis) ticks() []tick {
	var all []tick
	add := func(v float64, minor bool) {
		all = append(all, tick{At: percent(1 - a.at(v)), Label: amount(v, a.unit), Minor: minor})
	}
	if !a.log {
		first := math.Ceil(a.low / a.step)
		for k := 0; k < maxTicks && (first+float64(k))*a.step <= a.high*1.0001; k++ {
			add((first+float64(k))*a.step, k%2 == 1)
		}
		return all
	}
	decades := math.Log10(a.high / a.low)
	for m := magnitude(a.low); m <= a.high*1.0001 && len(all) < maxTicks; m *= 10 {
		for _, k := range []float64{1, 2, 5} {
			if k*m < a.low*0.999 || k*m > a.high*1.001 || k != 1 && decades > 2.4 {
				continue
			}
			add(k*m, k != 1)
		}
	}
	return all
}

// amount writes a value at an axis.
func amount(v float64, unit string) string {
	if unit == "1" && v < 10 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	if unit == "" && v >= 1000 {
		return verdict.FormatCount(uint64(v))
	}
	if unit == "users" {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return verdict.Format(v, unit)
}

// timeAxis is the horizontal axis of everything over time.
func timeAxis(seconds float64) axis { return axis{high: max(seconds, 1), unit: "time"} }

// loadAxis is a horizontal axis of loads.
func loadAxis(values []float64, unit string) axis {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if low > 0 && high > wide*low {
		return axis{low: floor125(low), high: ceil125(high), log: true, unit: unit}
	}
	if !(high > 0) {
		low, high = 0, 1
	}
	step := linearStep(max(high-max(low, 0), high/10), unit, 6)
	return axis{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step, step: step, unit: unit}
}

// across returns the values that a horizontal axis names, as percent from its left.
func (a *axis) across() []tick {
	if a.unit != "time" {
		all := a.ticks()
		for i := range all {
			all[i].At = percent(1 - number(all[i].At)/100)
		}
		return all
	}
	const most = 8
	step := 0.0
	for _, s := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600, 24 * 3600} {
		if step = s; a.high/s <= most {
			break
		}
	}
	for a.high/step > most {
		step *= 2
	}
	var all []tick
	for k := 0; float64(k)*step <= a.high*1.0001; k++ {
		all = append(all, tick{At: percent(a.at(float64(k) * step)), Label: clock(float64(k) * step), Minor: k%2 == 1})
	}
	return all
}

// clock writes seconds since the start: m:ss, or h:mm:ss.
func clock(s float64) string {
	n := int64(math.Round(min(max(s, 0), 1e9)))
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%d:%02d", n/60, n%60)
}

// percent writes a share for CSS.
func percent(v float64) string { return decimal(v*100, 2) }

// decimal writes a number without zeros at its end.
func decimal(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" {
		return "0"
	}
	return s
}

func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return v
}
