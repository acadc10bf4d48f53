package html

import (
	"fmt"
	"math"

	"tidegauge/engine/compare"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// comparisonView is how the run stands against its baseline.
type comparisonView struct {
	Outcome  outcome
	Summary  string
	Baseline string
	Warnings []string
	Rows     []comparisonRow
	More     int // rows that say nothing
	Scale    string
}

type comparisonRow struct {
	Outcome                                      outcome
	Name, Before, After, Change, Interval, Would string
	At, Low, Width                               string // of the picture, in percent; zero change is in the middle
	Spark                                        string
	Warnings                                     []string
	Drawn                                        bool
}

func judgement(j stat.Judgement) outcome {
	word := report.Clean(string(j))
	switch j {
	case stat.Regression:
		return outcome{"fail", "✕", word}
	case stat.Passed:
		return outcome{"pass", "✓", word}
	case stat.Improvement:
		return outcome{"pass", "↑", word}
	case stat.Indicative:
		return outcome{"none", "–", word}
	}
	return outcome{"open", "?", word}
}

func comparisonOf(r *report.Report) *comparisonView {
	c := r.Comparison
	if c == nil {
		return nil
	}
	v := &comparisonView{Outcome: judgement(c.Verdict), Summary: capital(report.Clean(c.Summary)), Baseline: report.Clean(c.Baseline), Warnings: cleaned(c.Warnings)}
	widest := 0.05
	for i := range c.Rows {
		row := &c.Rows[i]
		for _, x := range []*float64{row.Low, row.High, row.Change} {
			if x != nil && row.Telling() && !math.IsInf(*x, 0) {
				widest = max(widest, math.Abs(*x))
			}
		}
	}
	const most = 1.0 // beyond 100% the picture is cut off
	widest = min(ceil125(widest), most)
	v.Scale = fmt.Sprintf("The pictures reach from −%[1]s to +%[1]s.", verdict.Format(widest, "ratio"))
	for i := range c.Rows {
		row := &c.Rows[i]
		if !row.Telling() {
			v.More++
			continue
		}
		v.Rows = append(v.Rows, rowOf(row, widest))
	}
	return v
}

func rowOf(row *compare.Row, widest float64) comparisonRow {
	value := func(x *float64) string {
		if x == nil {
			return "–"
		}
		return verdict.Format(*x, row.Unit)
	}
	o := comparisonRow{Outcome: judgement(row.Verdict), Name: report.Clean(row.Name()), Before: value(row.Before), After: value(row.After), Change: compare.Percent(row.Change),
		Would: compare.Percent(row.Detectable)}
	if row.Verdict != stat.Indicative { // all of those say the same
		o.Warnings = cleaned(row.Warnings)
	}
	at := func(x float64) float64 { return min(max((x/widest+1)/2, 0), 1) }
	if row.Change != nil && !math.IsInf(*row.Change, 0) {
		o.Drawn, o.At = true, percent(at(*row.Change))
	}
	if row.Low != nil && row.High != nil {
		o.Interval = compare.Percent(row.Low) + " to " + compare.Percent(row.High)
		o.Low, o.Width = percent(at(*row.Low)), percent(max(at(*row.High)-at(*row.Low), 0))
	}
	var points []point
	for k, y := range row.History {
		points = append(points, point{float64(k), y})
	}
	if len(points) > 1 {
		o.Spark = sparkline(points, float64(len(points)-1))
	}
	return o
}

// changesOf are levels that have changed over the history and stayed so.
func changesOf(r *report.Report) []reason {
	var all []reason
	for i := range r.Changes {
		c := &r.Changes[i]
		o := outcome{"pass", "↑", "better"}
		switch {
		case c.Accepted || c.Back != "":
			o = outcome{"none", "–", "over or accepted"}
		case c.Worse:
			o = outcome{"fail", "✕", "worse"}
		}
		all = append(all, reason{Outcome: o, Text: capital(report.Clean(c.Text())) + ": " + verdict.Format(c.Before, c.Unit) + " before, " + verdict.Format(c.After, c.Unit) + " since"})
	}
	return all
}
