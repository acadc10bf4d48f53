package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tidegauge/engine/catalog"
	"tidegauge/engine/document"
)

// figureTypes says which types of test answer with which figures of the catalog.
func figureTypes() map[string][]Type {
	disturbed := []Type{Recovery, Spike}
	return map[string][]Type{
		catalog.Capacity:           {Stress},
		catalog.CapacityUsers:      {Stress},
		catalog.ThroughputCeiling:  {Stress},
		catalog.ResourceUse:        {Stress},
		catalog.Goodput:            {Load},
		catalog.JudgedResponseTime: {Load},
		catalog.Drift:              {Load, Soak},
		catalog.FailureTime:        {Recovery},
		catalog.FailedRequests:     disturbed,
		catalog.DroppedRequests:    disturbed,
		catalog.QueuedRequests:     {Spike},
		catalog.BlastRadius:        {Recovery},
		catalog.Inconsistent:       {Recovery},
		catalog.Amplification:      {Recovery},
		catalog.BreakerOpenings:    {Recovery},
		catalog.HourlyIncrease:     {Soak},
		catalog.DetectionTime:      {Recovery},
		catalog.RecoveryTime:       disturbed,
		catalog.DrainTime:          disturbed,
		catalog.Availability:       disturbed,
		catalog.OutageTime:         disturbed,
		catalog.ExcessLatency:      disturbed,
		catalog.BreakerTrips:       {Recovery},
		catalog.PeakResponseTime:   {Spike},
		catalog.Hysteresis:         {Spike},
		catalog.ScalingLag:         {Spike},
		catalog.HourlyGrowth:       {Soak},
		catalog.LimitTime:          {Soak},
		catalog.WarmUpTime:         {Load, Soak},
	}
}

// figureWord returns the name of a figure in objectives: that of its metric, as recovery_time of tidegauge.recovery.time.
func figureWord(metric string) string {
	return strings.ReplaceAll(strings.TrimPrefix(metric, "tidegauge."), ".", "_")
}

// figureNamed returns the metric of a figure by its name in objectives; empty: there is none.
func figureNamed(word string) string {
	for metric := range figureTypes() {
		if figureWord(metric) == word {
			return metric
		}
	}
	return ""
}

// figureWords returns the names of all figures, sorted.
func figureWords() []string {
	var words []string
	for metric := range maps.Keys(figureTypes()) {
		words = append(words, figureWord(metric))
	}
	slices.Sort(words)
	return words
}

// answers reports whether the answer of a test has what an objective asks for.
func (t *Test) answers(o *Objective) bool {
	return o.Metric != Figure || slices.Contains(figureTypes()[o.Figure], t.Type)
}

// FigureUnit returns the unit of a figure's threshold: s, ratio, 1/s or 1.
func (o *Objective) FigureUnit() string {
	m, _ := catalog.Lookup(o.Figure)
	switch {
	case m.Unit == "s":
		return "s"
	case m.Unit == "1":
		return "ratio"
	case strings.HasSuffix(m.Unit, "/s"):
		return "1/s"
	}
	return "1"
}

func figureForm(o *Objective) string {
	return map[string]string{"s": document.DurationForm, "ratio": "a percentage such as 99.9% or 120%, or a ratio such as 1.2", "1/s": document.RateForm}[o.FigureUnit()]
}

// parseFigure reads the threshold of a figure. A ratio may be more than 1: something that got slower is 1.2.
func parseFigure(o *Objective, text string) (float64, error) {
	switch o.FigureUnit() {
	case "s":
		v, err := document.ParseDuration(text)
		return v.Seconds(), err
	case "1/s":
		return document.ParseRate(text)
	case "ratio":
		number, percent := strings.CutSuffix(text, "%")
		if percent {
			number += "e-2" // 99.9 / 100 is not 0.999
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v >= 0 && v <= 1e9) {
			return 0, fmt.Errorf("%s is no ratio", document.Quoted(text))
		}
		return v, nil
	}
	n, err := document.ParseWhole(0, 1<<53)(text)
	return float64(n), err
}
