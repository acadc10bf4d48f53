package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/stat"
)

// Schema names the JSON form of a Comparison and its version.
const Schema = "tidegauge.comparison/v1"

// Run is one run that is compared.
type Run struct {
	ID     string
	Values Values

	Start           time.Time // Against does not need it
	Version, Commit string    // of the target; as far as known
}

// Comparison is what comparing a run with others came to.
type Comparison struct {
	Schema    string         `json:"schema"`
	Run       string         `json:"run"`
	Version   string         `json:"target_version,omitempty"` // of the target in that run
	Commit    string         `json:"commit,omitempty"`
	Baseline  string         `json:"baseline"` // in words: what it was compared with
	Runs      []string       `json:"runs"`     // of the baseline, oldest first
	Reruns    []string       `json:"reruns,omitempty"`
	Paired    int            `json:"paired,omitempty"` // two targets were loaded in turns: pairs of blocks; 0: runs are compared
	Verdict   stat.Judgement `json:"verdict"`
	Confirmed bool           `json:"confirmed"` // of a regression: reruns have shown it too
	Summary   string         `json:"summary"`   // one line
	Rows      []Row          `json:"rows"`      // all requests together first
	Warnings  []string       `json:"warnings,omitempty"`
	// Explanation is of what is worse, or looks so; nil where nothing does.
	Explanation *Explanation `json:"explanation,omitempty"`
}

// Row is the comparison of one metric.
type Row struct {
	Request string         `json:"request,omitempty"` // empty: all requests together
	Of      string         `json:"of,omitempty"`      // the scrape job of a server's metric, or what a figure of the answer is about
	Figure  string         `json:"figure,omitempty"`  // of the answer: its name in the catalog of metrics
	Metric  string         `json:"metric"`
	Unit    string         `json:"unit"` // s, ratio, 1/s, By, 1
	Verdict stat.Judgement `json:"verdict"`
	Leaning stat.Judgement `json:"leaning,omitempty"` // what an indicative one would be with enough runs
	Worse   bool           `json:"worse"`
	Before  *float64       `json:"before"`
	After   *float64       `json:"after"`
	Change  *float64       `json:"change"` // relative: 0.1 is 10% more
	Low     *float64       `json:"low"`    // 95% interval of it
	High    *float64       `json:"high"`
	P       float64        `json:"p"` // one-sided, of "not worse"
	// Detectable is the least change for the worse that this comparison would find in 80% of cases.
	Detectable *float64  `json:"detectable"`
	History    []float64 `json:"history"` // the values of the baseline, the run's and those of its reruns
	Warnings   []string  `json:"warnings,omitempty"`
}

func (r *Row) key() key {
	k := key{r.Request, r.Metric, r.Of, r.Figure, r.Unit}
	if r.Of+r.Figure == "" {
		k.unit = "" // it follows from the metric
	}
	return k
}

// Main reports whether the row is of the run as a whole as its client sees it: not of a single request, and not of a server.
func (r *Row) Main() bool { return r.key().main() }

// Server reports whether the row is a metric of the servers under test.
func (r *Row) Server() bool { return r.key().server() }

// Telling reports whether the row says more than that nothing is to be said: those of all requests together always do.
func (r *Row) Telling() bool {
	says := func(j stat.Judgement) bool { return j == stat.Regression || j == stat.Suspect }
	return r.Main() || says(r.Verdict) || r.Verdict == stat.Improvement || says(r.Leaning)
}

// Against compares a run with a baseline, oldest first. Reruns were made after the run, by the same plan, to see whether what
// it shows stays: they decide.
//
// All requests together and the figures of the answer are one family of metrics, the requests by themselves another, the servers' own
// a third: with 4% of error each.
func Against(baseline string, run Run, runs, reruns []Run) *Comparison {
	c := &Comparison{Schema: Schema, Run: run.ID, Version: run.Version, Commit: run.Commit, Baseline: baseline, Rows: []Row{}, Runs: []string{}}
	for _, r := range runs {
		if r.Values.Problem == "" {
			c.Runs = append(c.Runs, r.ID)
		}
	}
	for _, r := range reruns {
		c.Reruns = append(c.Reruns, r.ID)
		if r.Values.Problem != "" {
			c.Warnings = append(c.Warnings, fmt.Sprintf("run %s, made to confirm this one, says nothing: %s", r.ID, r.Values.Problem))
		}
	}
	if run.Values.Problem != "" {
		c.Verdict, c.Summary = stat.Invalid, "it cannot be compared: "+run.Values.Problem
		return c
	}
	if len(c.Runs) == 0 {
		c.Verdict, c.Summary = stat.Invalid, "there is no run to compare it with"
		return c
	}
	if run.Values.Unsteady != "" {
		c.Warnings = append(c.Warnings, "its latencies are not compared, since it was not steady: "+run.Values.Unsteady)
	}
	c.compare(run, runs, reruns, key.main)
	c.compare(run, runs, reruns, func(k key) bool { return k.request != "" })
	c.compare(run, runs, reruns, key.server)
	c.cautious(runs)
	c.judge()
	c.Explanation = c.explain(&run, runs)
	return c
}

// compare compares one family of metrics.
func (c *Comparison) compare(run Run, runs, reruns []Run, family func(key) bool) {
	var samples []stat.Sample
	for i := range run.Values.Values {
		v := &run.Values.Values[i]
		if !family(v.key()) {
			continue
		}
		q, unit := v.key().quantity()
		s := stat.Sample{Quantity: q, Run: valueOf(&run.Values, v.key())}
		row := Row{Request: v.Request, Of: v.Of, Figure: v.Figure, Metric: v.Metric, Unit: unit, History: []float64{}}
		for j := range runs {
			if b := valueOf(&runs[j].Values, v.key()); !math.IsNaN(b.Value) {
				s.Baseline, row.History = append(s.Baseline, b), append(row.History, b.Value)
			}
		}
		if len(s.Baseline) == 0 && v.Of+v.Figure != "" {
			continue // the runs before it did not have it
		}
		row.History = append(row.History, v.Value)
		for j := range reruns {
			if b := valueOf(&reruns[j].Values, v.key()); !math.IsNaN(b.Value) {
				s.Reruns, row.History = append(s.Reruns, b), append(row.History, b.Value)
			}
		}
		samples, c.Rows = append(samples, s), append(c.Rows, row)
	}
	found := stat.Compare(samples)
	rows := c.Rows[len(c.Rows)-len(found):]
	for i := range found {
		rows[i].take(&found[i])
		c.Confirmed = c.Confirmed || found[i].Judgement == stat.Regression && !found[i].Unconfirmed
	}
}

// cautious takes verdicts back where runs of another tool are part of the baseline.
func (c *Comparison) cautious(runs []Run) {
	i := slices.IndexFunc(runs, func(r Run) bool { return r.Values.Imported != "" })
	if i < 0 {
		return
	}
	c.Warnings = append(c.Warnings, fmt.Sprintf("the baseline has runs imported from %s, which measures otherwise: there is no verdict, only an indication", runs[i].Values.Imported))
	c.Confirmed = false
	for j := range c.Rows {
		if r := &c.Rows[j]; r.Verdict != stat.Invalid && r.Verdict != stat.Indicative {
			r.Verdict, r.Leaning = stat.Indicative, r.Verdict
		}
	}
}

// valueOf returns a value of a run, NaN where it has none, or none that can be compared.
func valueOf(v *Values, k key) stat.RunValue {
	for i := range v.Values {
		if f := &v.Values[i]; f.key() == k && v.Problem == "" && (v.Unsteady == "" || !k.latency()) {
			return stat.RunValue{Value: f.Value, Variance: f.Variance, Count: float64(f.Count)}
		}
	}
	return stat.RunValue{Value: math.NaN()}
}

func (r *Row) take(c *stat.Comparison) {
	r.Verdict, r.Leaning, r.Worse, r.P, r.Warnings = c.Judgement, c.Leaning, c.Worse, c.P, c.Warnings
	r.Before, r.After, r.Change = finite(c.Before), finite(c.After), finite(c.Change)
	if c.Judgement != stat.Invalid {
		r.Low, r.High, r.Detectable = finite(c.Interval.Low), finite(c.Interval.High), finite(c.Detectable)
	} else {
		r.Before, r.Change = nil, nil
	}
	if r.Metric == Errors && r.Of == "" && c.Before == 0 { // any error is infinitely more than none
		r.Low, r.High, r.Detectable = nil, nil, nil
		if c.After == 0 {
			r.Change = nil
		}
	}
}

// finite returns what JSON can hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// order of verdicts by what a comparison as a whole says when there is one such row.
var order = []stat.Judgement{stat.Regression, stat.Suspect, stat.Indicative, stat.Improvement, stat.Inconclusive, stat.Passed}

// judge puts the rows together. What cannot be told of a single request does not keep the whole from passing.
func (c *Comparison) judge() {
	c.Verdict = stat.Invalid
	for _, v := range order {
		if slices.ContainsFunc(c.Rows, func(r Row) bool {
			return r.Verdict == v && (r.Main() || v != stat.Inconclusive && v != stat.Indicative)
		}) {
			c.Verdict = v
			break
		}
	}
	c.Summary = c.summary()
}

// Worst returns the rows with a verdict, the greatest changes first.
func (c *Comparison) Worst(v stat.Judgement) []Row {
	rows := slices.DeleteFunc(slices.Clone(c.Rows), func(r Row) bool { return r.Verdict != v || r.Change == nil })
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(math.Abs(*b.Change), math.Abs(*a.Change)) })
	return rows
}

func (c *Comparison) summary() string {
	runs := fmt.Sprintf("%d runs before", len(c.Runs))
	switch {
	case c.Paired > 0:
		runs = "the other target"
	case len(c.Runs) == 1:
		runs = "1 run before"
	}
	switch c.Verdict {
	case stat.Regression:
		text := "worse than " + runs + ": " + c.named(stat.Regression)
		if !c.Confirmed {
			text += "; not confirmed by further runs"
		}
		return text
	case stat.Suspect:
		return "perhaps worse than " + runs + ": " + c.named(stat.Suspect) + "; two more runs would tell"
	case stat.Improvement:
		return "better than " + runs + ": " + c.named(stat.Improvement)
	case stat.Indicative:
		return c.indication()
	case stat.Passed:
		return "no worse than " + runs
	case stat.Inconclusive:
		return "whether it is worse than " + runs + " cannot be told: " + c.blind()
	default:
		return "nothing could be compared"
	}
}

// named lists changes.
func (c *Comparison) named(v stat.Judgement) string {
	const most = 3
	var parts []string
	rows := c.Worst(v)
	for i := range rows[:min(most, len(rows))] {
		parts = append(parts, rows[i].Name()+" "+Percent(rows[i].Change))
	}
	if len(rows) > most {
		parts = append(parts, fmt.Sprintf("and %d more", len(rows)-most))
	}
	return strings.Join(parts, ", ")
}

// indication says what few runs show, which is no verdict.
func (c *Comparison) indication() string {
	lean := slices.Clone(c.Rows)
	lean = slices.DeleteFunc(lean, func(r Row) bool { return r.Leaning != stat.Regression && r.Leaning != stat.Suspect || r.Change == nil })
	n, what := len(c.Runs), "run"
	if c.Paired > 0 {
		n, what = c.Paired, "pair of blocks"
	}
	if n != 1 {
		what = strings.Replace(what, "run", "runs", 1)
		what = strings.Replace(what, "pair", "pairs", 1)
	}
	text := fmt.Sprintf("only %d %s to compare with, %d are needed for a verdict", n, what, stat.MinBaseline)
	if n >= stat.MinBaseline {
		text = fmt.Sprintf("only an indication against %d %s", n, what)
	}
	if len(lean) == 0 {
		return text + "; nothing looks worse"
	}
	slices.SortStableFunc(lean, func(a, b Row) int { return cmp.Compare(math.Abs(*b.Change), math.Abs(*a.Change)) })
	return text + "; it looks worse in " + lean[0].Name() + ", " + Percent(lean[0].Change)
}

// blind says how great a change would have been seen.
func (c *Comparison) blind() string {
	for i := range c.Rows {
		r := &c.Rows[i]
		if r.Main() && r.Verdict == stat.Inconclusive && r.Detectable != nil {
			return fmt.Sprintf("of %s a change of %s would have been seen", r.Name(), Percent(r.Detectable))
		}
	}
	return "there is too little to compare"
}

// Name returns the metric with what it is of.
func (r *Row) Name() string { return r.key().name() }

// Percent writes a relative change as +12%, or as a factor where it is great; nothing where there is none.
func Percent(v *float64) string {
	switch {
	case v == nil:
		return ""
	case *v >= 1000:
		return "x1000 or more"
	case *v >= 2:
		return fmt.Sprintf("x%.3g", 1+*v)
	case math.Abs(*v) < 0.1:
		return fmt.Sprintf("%+.1f%%", 100**v)
	default:
		return fmt.Sprintf("%+.0f%%", 100**v)
	}
}
