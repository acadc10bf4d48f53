package answer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tidegauge/engine/catalog"
	"tidegauge/engine/search"
)

// The codes of answers to where a target breaks.
const (
	CodeCapacity         = "capacity"          // it is known
	CodeNoCapacity       = "no_capacity"       // it fails at the lowest load already
	CodeGeneratorLimited = "generator_limited" // the generator's limit came first
	CodeBudget           = "out_of_budget"
	CodeInterrupted      = "stopped" // by a person
)

// StressInput is what a search for the capacity, or a step test, came to.
type StressInput struct {
	Result  search.Result
	Users   bool // loads are users, not arrivals per second
	Steps   bool // a step test, of which each load has one trial
	Highest float64
	Stopped bool // by a person, before the search was over
	Trials  []StressTrial
	// Warnings are said with the answer, each once.
	Warnings []string
}

// StressTrial is a trial with what was missed in it, as the plan has it.
type StressTrial struct {
	Trial
	Missed []string
}

// Stress answers where the target breaks: the highest load that meets the objectives, what broke first, and what of the servers
// was nearest its limit.
//
// The capacity is the relevant lower bound in the sense of RFC 9971: the highest load at or below which every load that was
// tried passes by majority. Its interval is that of the load at which half of the trials pass, of the Bayesian fit of
// package search.
func Stress(in StressInput) *Answer {
	a := &Answer{Question: "Where does it break?", Warnings: in.warnings()}
	for i := range in.Trials {
		a.Trials = append(a.Trials, in.Trials[i].Trial)
	}
	a.Standing, a.Code, a.Text = in.conclusion()
	broke := in.brokeFirst()
	if broke != "" && (in.Result.Upper > 0 || in.Result.Stop == search.Doomed) && in.Result.Stop != search.Unlimited {
		a.Text += "; first to break: " + broke
	}
	nearest := in.nearest()
	if nearest != nil {
		a.Text += fmt.Sprintf("; nearest its limit was %s, at %.0f%% of it", nearest.Name, 100*nearest.Value / *nearest.Limit)
	}
	a.Text += "."
	a.Figures = in.figures(nearest)
	a.Charts = in.charts()
	return a
}

// load writes a load with its unit.
func (in *StressInput) load(v float64) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if v >= 1e4 {
		text = strconv.FormatFloat(v, 'f', 0, 64)
	}
	switch {
	case !in.Users:
		return text + "/s"
	case v == 1:
		return text + " user"
	}
	return text + " users"
}

// conclusion says what the search came to, without a full stop.
func (in *StressInput) conclusion() (Standing, string, string) {
	r := &in.Result
	known := "nothing is known yet"
	switch {
	case r.Lower > 0 && r.Upper > 0:
		known = fmt.Sprintf("it carries %s and breaks at %s", in.load(r.Lower), in.load(r.Upper))
	case r.Lower > 0:
		known = fmt.Sprintf("it carries %s at least", in.load(r.Lower))
	case r.Upper > 0:
		known = fmt.Sprintf("it breaks at %s", in.load(r.Upper))
	default:
		if n, load := in.failed(); n > 0 {
			known = fmt.Sprintf("%s at %s failed, too few to say that it breaks there", plural(n, "trial"), in.load(load))
		}
	}
	switch {
	case in.Stopped:
		return Undecided, CodeInterrupted, "The search was ended after " + plural(len(in.Trials), "trial") + ": " + known
	case r.Stop == search.Found && in.Steps:
		return Good, CodeCapacity, fmt.Sprintf("It carries %s and breaks at %s, by one trial of each", in.load(r.Lower), in.load(r.Upper))
	case r.Stop == search.Found:
		return Good, CodeCapacity, fmt.Sprintf("It carries %s and not %s, each by a majority of its confirming trials; half of the trials pass at about %s",
			in.load(r.Lower), in.load(r.Upper), in.load(r.Capacity))
	case r.Stop == search.Unconfirmed && r.Lower > 0:
		return Good, CodeCapacity, fmt.Sprintf("It breaks at about %s; the confirming trials did not settle on bounds, so this is less certain than it could be", in.load(r.Capacity))
	case r.Stop == search.Unlimited:
		return Good, CodeCapacity, fmt.Sprintf("It carries %s, the highest load that was to be tried, so it breaks somewhere above", in.load(max(r.Lower, in.Highest)))
	case r.Stop == search.Doomed:
		return Bad, CodeNoCapacity, fmt.Sprintf("It fails at the lowest load already, %s", in.load(cmp.Or(r.Upper, in.lowest())))
	case r.Stop == search.GeneratorLimited && r.Lower > 0 && r.Upper > 0 && r.GeneratorLimit >= r.Lower:
		// The target broke while the generator kept up: only how sure that is depends on the generator.
		return Good, CodeCapacity, fmt.Sprintf("It carries %s and breaks at %s; the generator failed to make some of the trials there, so this is less certain than it could be", in.load(r.Lower), in.load(r.Upper))
	case r.Stop == search.Disturbed:
		why := ""
		if t := in.limiting(); t != nil {
			why = fmt.Sprintf(" (at %s %s)", in.load(t.Load), t.Reason)
		}
		return Undecided, CodeGeneratorLimited, fmt.Sprintf("The generator was disturbed: it did not make loads again that it had made before%s; %s", why, known)
	case r.Stop == search.GeneratorLimited:
		limit := ""
		if t := in.limiting(); t != nil {
			limit = " (" + t.Reason + ")"
		}
		return Undecided, CodeGeneratorLimited, fmt.Sprintf("The generator's limit came before the target's: it did not make %s%s; %s", in.load(r.GeneratorLimit), limit, known)
	case r.Stop == search.OutOfBudget:
		return Undecided, CodeBudget, r.Reason + ": " + known
	}
	return Undecided, CodeInterrupted, "The search did not come to its end after " + plural(len(in.Trials), "trial") + ": " + known
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return strconv.Itoa(n) + " " + of + "s"
}

func (in *StressInput) lowest() float64 {
	low := 0.0
	for i := range in.Trials {
		if l := in.Trials[i].Load; low == 0 || l < low {
			low = l
		}
	}
	return low
}

// failed returns how many trials failed at the least load at which any did.
func (in *StressInput) failed() (n int, load float64) {
	for i := range in.Trials {
		switch t := &in.Trials[i]; {
		case t.Outcome != string(search.Failed):
		case n == 0 || t.Load < load:
			n, load = 1, t.Load
		case t.Load == load:
			n++
		}
	}
	return n, load
}

// limiting returns the last trial that the generator could not make.
func (in *StressInput) limiting() *StressTrial {
	for i := len(in.Trials) - 1; i >= 0; i-- {
		if in.Trials[i].Outcome == string(search.Generator) {
			return &in.Trials[i]
		}
	}
	return nil
}

// beyond is how far above the least load that fails trials still tell what breaks first.
const beyond = 1.1

// brokeFirst returns what was missed most often where the target only just failed.
func (in *StressInput) brokeFirst() string {
	limit := in.Result.Upper
	if limit == 0 {
		for i := range in.Trials {
			if t := &in.Trials[i]; t.Outcome == string(search.Failed) && (limit == 0 || t.Load < limit) {
				limit = t.Load
			}
		}
	}
	counts, order := map[string]int{}, []string(nil)
	for i := range in.Trials {
		t := &in.Trials[i]
		if t.Outcome != string(search.Failed) || t.Load > limit*beyond {
			continue
		}
		for _, m := range t.Missed {
			if counts[m]++; counts[m] == 1 {
				order = append(order, m)
			}
		}
	}
	best := ""
	for _, m := range order {
		if best == "" || counts[m] > counts[best] {
			best = m
		}
	}
	return best
}

// nearest returns what of the servers came nearest its limit about the capacity, by the median of the trials there.
func (in *StressInput) nearest() *ServerValue {
	r := &in.Result
	values := map[string][]ServerValue{}
	for i := range in.Trials {
		t := &in.Trials[i]
		if t.Outcome == string(search.Generator) || t.Load < 0.9*r.Lower || r.Upper > 0 && t.Load > beyond*r.Upper {
			continue
		}
		for _, v := range t.Servers {
			if v.Limit != nil && *v.Limit > 0 {
				values[v.Name] = append(values[v.Name], v)
			}
		}
	}
	share := func(v ServerValue) float64 { return v.Value / *v.Limit }
	var best *ServerValue
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all := values[name]
		slices.SortFunc(all, func(a, b ServerValue) int { return cmp.Compare(share(a), share(b)) })
		if middle := all[len(all)/2]; best == nil || share(middle) > share(*best) {
			best = &middle
		}
	}
	return best
}

func (in *StressInput) figures(nearest *ServerValue) []Figure {
	r := &in.Result
	metric, unit := catalog.Capacity, "1/s"
	if in.Users {
		metric, unit = catalog.CapacityUsers, "1"
	}
	title, broken := "highest load that met the objectives", "lowest load that did not"
	if in.Users {
		title, broken = "most users that met the objectives", "fewest users that did not"
	}
	capacity := Figure{Title: title, Metric: metric, Unit: unit}
	switch {
	case r.Lower > 0:
		capacity.Value = new(r.Lower)
		capacity.Censored = r.Upper == 0
	case r.Stop == search.Doomed:
		capacity.Value, capacity.Text = new(0.0), "none was carried"
	default:
		capacity.Text = "no load passed by majority"
	}
	if r.Capacity > 0 && r.Lower > 0 && r.Upper > 0 {
		capacity.Low, capacity.High = new(min(r.Low, r.Lower)), new(max(r.High, r.Lower))
		capacity.Level = 0.9
		capacity.Text = fmt.Sprintf("the interval has 90%% and is of the load at which half of the trials pass, about %s", in.load(r.Capacity))
		if r.Spread >= noisySpread {
			capacity.Text, capacity.Level = strings.Replace(capacity.Text, "90%", "80%", 1), 0.8
		}
	}
	all := []Figure{capacity}
	if r.Upper > 0 {
		all = append(all, Figure{Title: broken, Value: new(r.Upper), Unit: unit})
	}
	var top *StressTrial
	for i := range in.Trials {
		if t := &in.Trials[i]; top == nil || t.Goodput > top.Goodput {
			top = t
		}
	}
	if top != nil && top.Goodput > 0 {
		all = append(all, Figure{Title: "throughput ceiling", Metric: catalog.ThroughputCeiling, Value: new(top.Goodput), Unit: "1/s",
			Text: "requests answered well, in the trial at " + in.load(top.Load)})
	}
	if nearest != nil {
		share := nearest.Value / *nearest.Limit
		text := nearest.Name
		if nearest.Unit != "ratio" || *nearest.Limit != 1 {
			text = fmt.Sprintf("%s: %s of %s", nearest.Name, resource(nearest.Value, nearest.Unit), resource(*nearest.Limit, nearest.Unit))
		}
		all = append(all, Figure{Title: "nearest its limit", Metric: catalog.ResourceUse, Subject: nearest.Name, Value: &share, Unit: "ratio", Text: text + "; in the middle one of the trials about the capacity"})
	}
	return all
}

// resource writes what is used of one.
func resource(v float64, unit string) string {
	if unit == "ratio" {
		return share(v)
	}
	return amount(v, unit)
}

// noisySpread is from where on the interval of the fit covers 80% to 85% instead of 90%, by simulation.
const noisySpread = 0.04

// charts are the picture: what became of response times and of throughput as the load grew.
func (in *StressInput) charts() []Chart {
	type point struct{ p95, good []float64 }
	points := map[float64]*point{}
	for i := range in.Trials {
		t := &in.Trials[i]
		if t.Outcome == string(search.Generator) {
			continue
		}
		p := points[t.Load]
		if p == nil {
			p = &point{}
			points[t.Load] = p
		}
		p.p95, p.good = append(p.p95, t.P95), append(p.good, t.Goodput)
	}
	if len(points) < 2 {
		return nil
	}
	median := func(v []float64) *float64 {
		slices.Sort(v)
		return new(v[len(v)/2])
	}
	x := slices.Sorted(maps.Keys(points))
	times, good := Line{Name: "p95", X: x}, Line{Name: "answered well", X: x}
	for _, l := range x {
		times.Y, good.Y = append(times.Y, median(points[l].p95)), append(good.Y, median(points[l].good))
	}
	unit := "1/s"
	if in.Users {
		unit = "users"
	}
	var marks []Mark
	if r := &in.Result; r.Lower > 0 && r.Upper > 0 {
		marks = []Mark{{Name: "breaks above " + in.load(r.Lower), From: r.Lower, To: r.Upper}}
	}
	ends := fmt.Sprintf(" over the load, %s to %s", in.load(x[0]), in.load(x[len(x)-1]))
	return []Chart{
		{Title: "response time" + ends, Unit: "s", X: unit, Lines: []Line{times}},
		{Title: "throughput" + ends, Unit: "1/s", X: unit, Lines: []Line{good}, Marks: marks},
	}
}

func (in *StressInput) warnings() []string {
	all := append(slices.Clone(in.Result.Warnings), in.Warnings...)
	var once []string
	for _, w := range all {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return once
}
