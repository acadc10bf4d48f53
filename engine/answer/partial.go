package answer

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tidegauge/engine/catalog"
	"tidegauge/engine/measure"
	"tidegauge/engine/stat"
	"tidegauge/engine/timeline"
)

// partial says which requests and classes fail in an episode while others do not.
func (r *run) partial(x *episode) stat.Partial {
	names := r.Timeline.Names()
	before := r.Timeline.Between(0, r.Events[0].From)
	several := len(names.Classes) > 1
	var parts []stat.Slice
	classes := map[string]*stat.Slice{}
	for i, q := range names.Requests {
		var was, is timeline.Slice
		if i < len(before.Slices) {
			was = before.Slices[i]
		}
		if i < len(x.affected.Slices) {
			is = x.affected.Slices[i]
		}
		if was.Good+was.Failed+is.Good+is.Failed == 0 {
			continue
		}
		one := stat.Slice{
			Name: labelOf(q, several), BeforeCount: was.Good + was.Failed, BeforeBad: was.Failed, DuringCount: is.Good + is.Failed, DuringBad: is.Failed,
		}
		parts = append(parts, one)
		c := classes[q.Class]
		if c == nil {
			c = &stat.Slice{Name: "class " + q.Class}
			classes[q.Class] = c
		}
		c.BeforeCount, c.BeforeBad = c.BeforeCount+one.BeforeCount, c.BeforeBad+one.BeforeBad
		c.DuringCount, c.DuringBad = c.DuringCount+one.DuringCount, c.DuringBad+one.DuringBad
	}
	p := stat.Blast(parts)
	if len(classes) < 2 {
		return p
	}
	var byClass []stat.Slice
	for _, name := range names.Classes {
		if c := classes[name]; c != nil {
			byClass = append(byClass, *c)
		}
	}
	// A class of which some requests fail is no news; one of several classes that fails is.
	if c := stat.Blast(byClass); len(c.Affected) > 0 && len(c.Affected) < len(byClass) {
		p.Affected = append(p.Affected, c.Affected...)
	}
	return p
}

func labelOf(q measure.Request, class bool) string {
	name := q.Name
	if q.Method != "" && !strings.HasPrefix(name, q.Method+" ") {
		name = q.Method + " " + name
	}
	if class {
		name += " of " + q.Class
	}
	return name
}

// inconsistency is a check that failed where another one of the same request held: the request was answered, and something
// that belongs to it was not done.
type inconsistency struct {
	request, held, failed string
	count                 uint64
}

// inconsistencies compares the checks of each request in an episode: those that fail more than the one that fails least, by
// more than 0.5 percentage points, and more than they did before.
func (r *run) inconsistencies(x *episode) []inconsistency {
	names := r.Timeline.Names()
	before := r.Timeline.Between(0, r.Events[0].From)
	// The results of checks are known by interval of the recorder, which may lie across the ends of the episode.
	best := map[int]int{}
	for i, c := range names.Checks {
		if i >= len(x.affected.Checks) {
			break
		}
		if b, ok := best[c.Request]; !ok || x.affected.Checks[i].Failed < x.affected.Checks[b].Failed {
			best[c.Request] = i
		}
	}
	var all []inconsistency
	for i, c := range names.Checks {
		b, ok := best[c.Request]
		if !ok || b == i || i >= len(x.affected.Checks) {
			continue
		}
		now, other := x.affected.Checks[i], x.affected.Checks[b]
		var was, otherWas measure.CheckTotals
		if i < len(before.Checks) {
			was, otherWas = before.Checks[i], before.Checks[b]
		}
		more := sub(now.Failed, other.Failed)
		one := stat.Slice{
			Name: c.Name, BeforeCount: was.Passed + was.Failed, BeforeBad: sub(was.Failed, otherWas.Failed),
			DuringCount: now.Passed + now.Failed, DuringBad: more,
		}
		if found := stat.Blast([]stat.Slice{one}); len(found.Affected) > 0 {
			q := names.Requests[c.Request]
			all = append(all, inconsistency{labelOf(q, len(names.Classes) > 1), names.Checks[b].Name, c.Name, more})
		}
	}
	slices.SortStableFunc(all, func(a, b inconsistency) int { return int(b.count) - int(a.count) })
	return all
}

func sub(a, b uint64) uint64 { return a - min(a, b) }

// partialFigures are how far a fault reached: which kinds of requests, and what was left half done.
func (r *run) partialFigures(x *episode) []Figure {
	var all []Figure
	if p := r.partial(x); !math.IsNaN(p.Radius) {
		f := Figure{Title: "kinds of requests that failed", Metric: catalog.BlastRadius, Value: &p.Radius, Unit: "ratio", Text: joinText(p.Affected)}
		all = append(all, f)
	}
	if found := r.inconsistencies(x); len(found) > 0 {
		worst := found[0]
		all = append(all, Figure{Title: "inconsistent requests", Metric: catalog.Inconsistent, Value: new(float64(worst.count)), Unit: "1",
			Text: fmt.Sprintf("%s kept %q and failed %q", worst.request, worst.held, worst.failed)})
	}
	return all
}

// partialWarnings says in words what failed in part.
func (r *run) partialWarnings(x *episode) []string {
	var all []string
	p := r.partial(x)
	if p.Radius > 0 && len(p.Unsent) > 0 {
		all = append(all, fmt.Sprintf("%s: hardly sent while it lasted, as what failed came before: %s; whether it would have failed is not known",
			x.Subject, strings.Join(p.Unsent, ", ")))
	}
	if p.Radius > 0 && (p.Radius < 1 || p.Hidden) {
		others := "the other requests"
		if len(p.Unsent) > 0 {
			others = "others, which were sent as usual,"
		}
		text := fmt.Sprintf("%s: a partial failure: %s failed, %s did not", x.Subject, strings.Join(p.Affected, ", "), others)
		if p.Hidden {
			text += "; all requests together look healthy"
		}
		all = append(all, text)
	}
	for _, c := range r.inconsistencies(x) {
		all = append(all, fmt.Sprintf("%s: a partial failure in consistency: %d of %s kept %q and failed %q",
			x.Subject, c.count, c.request, c.held, c.failed))
	}
	return all
}
