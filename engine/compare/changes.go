package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tidegauge/engine/stat"
)

// Change is a level of one metric that changed in the course of a history of runs, and stayed changed long enough to be
// believed.
type Change struct {
	Request string    `json:"request,omitempty"` // empty: all requests together
	Of      string    `json:"of,omitempty"`      // as of a Row
	Figure  string    `json:"figure,omitempty"`
	Metric  string    `json:"metric"`
	Unit    string    `json:"unit"` // s, ratio, 1/s, By, 1
	Run     string    `json:"run"`  // with which it began
	Start   time.Time `json:"start"`
	Version string    `json:"target_version,omitempty"` // of the target in that run
	Commit  string    `json:"commit,omitempty"`
	Worse   bool      `json:"worse"`
	Before  float64   `json:"before"` // the levels
	After   float64   `json:"after"`
	Change  float64   `json:"change"` // relative: 0.1 is 10% more
	Low     *float64  `json:"low"`    // 95% interval of it
	High    *float64  `json:"high"`
	P       float64   `json:"p"`     // how often chance makes as great a difference
	Found   string    `json:"found"` // the run after which it was certain
	// Back is the run with which the metric was back at its level before; empty: the change lasts.
	Back     string    `json:"back,omitempty"`
	BackAt   time.Time `json:"back_at,omitzero"`   // when that run began
	Accepted bool      `json:"accepted,omitempty"` // somebody said that it is as it should be
	Rejected bool      `json:"rejected,omitempty"` // or that it is not
}

const (
	// MaxChangeRuns is how many runs of a history are looked at for changes.
	MaxChangeRuns = 100
	maxMoved      = 4   // how far in runs the begin of a change may move between analyses
	backShare     = .25 // of a change that may be left when the level counts as back
	keptChanges   = 500 // of one history
	edge          = 20  // runs at the old end of those looked at, of which too few are left to see a change among them
)

// Name returns the metric with its request.
func (c *Change) Name() string { return c.key().name() }

func (c *Change) key() key {
	k := key{c.Request, c.Metric, c.Of, c.Figure, c.Unit}
	if c.Of+c.Figure == "" {
		k.unit = "" // it follows from the metric
	}
	return k
}

// Lasts reports whether the metric has not come back, and nobody said that it should be so.
func (c *Change) Lasts() bool { return c.Back == "" && !c.Accepted }

// Changes finds where the levels of a history of runs changed, for each metric; oldest run first, at most MaxChangeRuns of them
// are looked at. It is called after each run, with the changes that it returned the time before: a change is returned when two
// analyses in a row have it, keeps the run with which it began from then on, and goes when neither of two analyses has it, or
// stays if there are too few runs before it left to tell.
//
// The method is that of stat.ChangePoints and stat.Persist. Errors are counted with half a failure more, so that none is a level
// too (Haldane, Ann. Hum. Genet. 20, 1956).
func Changes(runs []Run, known []Change) []Change {
	runs = runs[max(0, len(runs)-MaxChangeRuns):]
	if len(runs) == 0 {
		return known
	}
	var all []Change
	keys := keysOf(runs)
	for _, c := range known {
		if !slices.Contains(keys, c.key()) { // a metric that none of the runs has: nothing is known of it any more
			all = append(all, c)
		}
	}
	for _, k := range keys {
		s := newSeries(runs, k)
		all = append(all, s.changes(known)...)
	}
	slices.SortStableFunc(all, func(a, b Change) int { return a.Start.Compare(b.Start) })
	return all[max(0, len(all)-keptChanges):]
}

// keysOf returns the metrics of runs, each once.
func keysOf(runs []Run) []key {
	var keys []key
	seen := map[key]bool{}
	for i := range runs {
		for j := range runs[i].Values.Values {
			if k := runs[i].Values.Values[j].key(); !seen[k] {
				seen[k] = true
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// series is one metric of a history.
type series struct {
	runs     []Run
	key      key
	quantity stat.Quantity
	unit     string
	x        []float64 // as analysed; NaN where a run has no value
	counts   []float64 // of a ratio: of how many
}

func newSeries(runs []Run, k key) *series {
	s := &series{runs: runs, key: k, x: make([]float64, len(runs)), counts: make([]float64, len(runs))}
	s.quantity, s.unit = k.quantity()
	for i := range runs {
		v := valueOf(&runs[i].Values, k)
		s.x[i], s.counts[i] = v.Value, v.Count
		switch {
		case s.quantity.Scale == stat.Log && s.x[i] <= 0:
			s.x[i] = math.NaN() // without a logarithm
		case s.quantity.Scale == stat.Logit:
			s.x[i] = (v.Value*v.Count + 0.5) / (v.Count + 1)
		}
	}
	return s
}

// options are those of the analysis: changes less than 0.6 of what matters are not looked for.
func (s *series) options() stat.ChangeOptions {
	if s.quantity.More {
		return stat.ChangeOptions{Magnitude: s.quantity.Relative}
	}
	return stat.ChangeOptions{Magnitude: max(s.quantity.Relative*0.6, 0.05)}
}

func (s *series) changes(known []Change) []Change {
	now := stat.ChangePoints(s.options(), s.x).Points
	newest := len(s.x) - 1
	for newest > 0 && math.IsNaN(s.x[newest]) {
		newest--
	}
	before := stat.ChangePoints(s.options(), s.x[:newest]).Points
	var all []Change
	for i, p := range now {
		end := len(s.x)
		if i+1 < len(now) {
			end = now[i+1].At
		}
		if !s.matters(&p, end) {
			continue
		}
		c := s.change(&p, s.begin(&p))
		j := slices.IndexFunc(known, func(k Change) bool { return s.same(&k, &p) })
		switch {
		case j >= 0:
			k := &known[j]
			c.Run, c.Start, c.Version, c.Commit, c.Found = k.Run, k.Start, k.Version, k.Commit, k.Found
		case len(stat.Persist(before, now[i:i+1])) == 0:
			continue
		}
		s.back(&c, p.At, now[i+1:])
		all = append(all, c)
	}
	return append(all, s.missed(known, now, before)...)
}

// missed returns changes that were known and that this analysis does not have: that the one before it had, and that began before
// the runs looked at or with one of the first of them.
func (s *series) missed(known []Change, now, before []stat.ChangePoint) (all []Change) {
	has := func(points []stat.ChangePoint, k *Change) bool {
		return slices.ContainsFunc(points, func(p stat.ChangePoint) bool { return s.same(k, &p) })
	}
	for _, k := range known {
		if k.key() != s.key || has(now, &k) {
			continue
		}
		at := s.index(&k)
		if old := k.Start.Before(s.runs[0].Start) || len(s.runs) == MaxChangeRuns && at >= 0 && at < edge; !old && !has(before, &k) {
			continue
		}
		k.Accepted, k.Rejected = false, false // for the caller to say
		if k.Back == "" {
			s.back(&k, at, slices.DeleteFunc(slices.Clone(now), func(p stat.ChangePoint) bool { return p.At <= at }))
		}
		all = append(all, k)
	}
	return all
}

// index returns which of the runs a change began with: the first of them if it began before, -1 if after all of them.
func (s *series) index(k *Change) int {
	return slices.IndexFunc(s.runs, func(r Run) bool { return !r.Start.Before(k.Start) })
}

// same reports whether a change that was known is the one at a point.
func (s *series) same(k *Change, p *stat.ChangePoint) bool {
	if k.key() != s.key || (k.Change > 0) != (p.Change > 0) || k.Start.Before(s.runs[0].Start) {
		return false
	}
	at := s.index(k)
	return at >= 0 && max(at-p.At, p.At-at) <= maxMoved
}

// matters reports whether the change at a point is great enough in absolute terms too.
func (s *series) matters(p *stat.ChangePoint, end int) bool {
	by := math.Abs(p.After - p.Before)
	events := 0.0
	for _, n := range s.counts[p.At:end] {
		if n > 0 {
			events += by * n
		}
	}
	return by >= s.quantity.Absolute && (s.quantity.Excess == 0 || events >= s.quantity.Excess)
}

// begin returns the run with which a change most likely began: where the level steps with the least squares left (Bai, Econometric
// Theory 13, 1997). The analysis, which wants three runs on each side, sees a change that is new too early.
func (s *series) begin(p *stat.ChangePoint) int {
	best, least := p.At, math.Inf(1)
	for at := max(1, p.At-maxMoved); at < min(len(s.x), p.At+maxMoved+1); at++ {
		if math.IsNaN(s.x[at]) {
			continue
		}
		squares := 0.0
		for i := max(0, p.At-2*maxMoved); i < min(len(s.x), p.At+2*maxMoved); i++ {
			level := p.Before
			if i >= at {
				level = p.After
			}
			if d := math.Log(s.x[i] / level); !math.IsNaN(d) {
				squares += min(d*d, math.Pow(math.Log(p.After/p.Before), 2)) // a run that stands alone moves nothing
			}
		}
		if squares < least {
			best, least = at, squares
		}
	}
	return best
}

func (s *series) change(p *stat.ChangePoint, begin int) Change {
	first, last := &s.runs[begin], &s.runs[len(s.runs)-1]
	return Change{
		Request: s.key.request, Of: s.key.of, Figure: s.key.figure, Metric: s.key.metric, Unit: s.unit,
		Run: first.ID, Start: first.Start, Version: first.Version, Commit: first.Commit,
		Worse: (p.Change > 0) != s.quantity.More, Before: p.Before, After: p.After, Change: p.Change,
		Low: finite(p.Interval.Low), High: finite(p.Interval.High), P: p.P, Found: last.ID,
	}
}

// back notes with which run the level was back: with a later change the other way that brings it nearer to where it was, or,
// sooner than that can be found, with the runs whose median of the newest three is.
func (s *series) back(c *Change, at int, later []stat.ChangePoint) {
	gone := func(v float64) float64 { // how much of the change is left
		return math.Log(v/c.Before) / math.Log(c.After/c.Before)
	}
	for i := range later {
		if p := &later[i]; (p.Change > 0) != (c.Change > 0) && gone(p.After) < 0.5 {
			c.Back, c.BackAt = s.runs[p.At].ID, s.runs[p.At].Start
			return
		}
	}
	var newest []int // with a value
	for i := len(s.x) - 1; i > at && len(newest) < 3; i-- {
		if !math.IsNaN(s.x[i]) {
			newest = append(newest, i)
		}
	}
	good := slices.DeleteFunc(slices.Clone(newest), func(i int) bool { return !(gone(s.x[i]) < backShare) })
	if len(newest) == 3 && len(good) >= 2 {
		first := &s.runs[good[len(good)-1]]
		c.Back, c.BackAt = first.ID, first.Start
	}
}

// Text says a change in a line: "p95 +21% (+17% … +25%) since run ID (version 1.4)".
func (c *Change) Text() string {
	var b strings.Builder
	b.WriteString(c.Name() + " " + Percent(&c.Change))
	if c.Low != nil && c.High != nil {
		fmt.Fprintf(&b, " (%s … %s)", Percent(c.Low), Percent(c.High))
	}
	b.WriteString(" since run " + c.Run)
	if of := VersionText(c.Version, c.Commit); of != "" {
		b.WriteString(" (" + of + ")")
	}
	return b.String()
}

// VersionText says what was under test: the version, or else the beginning of the commit; nothing where neither is known.
func VersionText(version, commit string) string {
	const short = 10
	switch {
	case version != "":
		return "version " + version
	case commit != "":
		return "commit " + commit[:min(short, len(commit))]
	}
	return ""
}
