package plan

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/document"
)

// What a shape is where the plan does not say.
const (
	DefaultSpawnRate   = 1.0 // users per second
	DefaultStopTimeout = 10 * time.Second

	defaultBefore = 30 * time.Second
	defaultRise   = time.Second
	defaultHold   = 30 * time.Second
	defaultAfter  = time.Minute
)

// The phases of a shape.
const (
	phaseRamp     = "ramp"
	phaseDown     = "ramp down"
	phaseSteady   = "steady"
	phaseSpike    = "spike"
	phaseRecovery = "recovery"
)

// maxStages is how many stages a shape may have.
const maxStages = 1000

// load reads the shape of one model: amounts are rates or numbers of users.
type load struct {
	d        *decoder
	test     node
	key      string // arrivals or users
	amount   func(node) (float64, bool)
	duration time.Duration
	length   *member // the test's duration, if given
	spawn    float64 // users: how many are started per second; 0: not given
	stress   bool    // the test's type
	search   *Search // that the load asks for; nil: none
}

// stages reads a load in any of its forms.
func (l *load) stages(n node) []Stage {
	switch {
	case n.Kind == yaml.SequenceNode:
		return l.list(n)
	case n.Kind != yaml.MappingNode:
		return l.constant(n)
	case hasKey(n.Node, "base") || hasKey(n.Node, "peak"):
		return l.spike(n)
	case hasKey(n.Node, "start") || hasKey(n.Node, "add") || hasKey(n.Node, "every"):
		return l.steps(n)
	}
	return l.ramp(n)
}

// needsDuration reports a test whose length is not said.
func (l *load) needsDuration() bool {
	if l.length == nil {
		l.d.Wrong(l.test, "duration is missing, expected how long the test lasts, such as duration: 5m")
	}
	return l.duration > 0
}

// noDuration reports a duration beside stages that have lengths of their own.
func (l *load) noDuration(instead string) {
	if l.length != nil {
		l.d.Wrong(l.length.Key, "duration is given beside %s, which say how long the test lasts, expected only one of them", instead)
	}
}

func (l *load) constant(n node) []Stage {
	amount, ok := l.amount(n)
	if !l.needsDuration() || !ok {
		return nil
	}
	if l.key == "arrivals" {
		return []Stage{{amount, amount, l.duration, phaseSteady}}
	}
	ramp := rampOf(amount, l.spawn)
	if ramp >= l.duration {
		l.d.Wrong(l.length.Value, "starting %g users at %g/s takes %v, expected a longer duration or a higher spawn_rate, so that all of them run for a while", amount, l.spawn, ramp.Round(time.Millisecond))
		return nil
	}
	return spawned(amount, l.spawn, l.duration)
}

// rampOf returns how long it takes to start users.
func rampOf(users, spawnRate float64) time.Duration {
	return time.Duration(min(users/spawnRate*float64(time.Second), float64(document.MaxDuration)))
}

// spawned is the shape of Locust's users and spawn rate: the time of starting them is part of the duration.
func spawned(users, spawnRate float64, duration time.Duration) []Stage {
	ramp := rampOf(users, spawnRate)
	stages := []Stage{{0, users, ramp, phaseRamp}, {users, users, duration - ramp, phaseSteady}}
	if ramp >= duration {
		return cut(stages[:1], duration, true)
	}
	return stages
}

func (l *load) ramp(n node) []Stage {
	var from, to float64
	found, known := l.d.Mapping(n, "a ramp", document.Key("from", document.Into(&from, l.amount)), document.Key("to", document.Into(&to, l.amount)))
	if _, ok := found["to"]; !ok && known {
		l.d.Wrong(n, "to is missing, expected a ramp {from, to}, a spike {base, peak, rise, hold, fall, before, after}, steps {start, add, every, steps} or a list of stages")
	}
	if l.stress && l.length == nil {
		return l.searched(n, found, known, from, to)
	}
	if !l.needsDuration() {
		return nil
	}
	return []Stage{{from, to, l.duration, slope(from, to)}}
}

// searched is a ramp without a duration: loads between which the capacity is searched. The stage says how far it may go.
func (l *load) searched(n node, found map[string]member, known bool, from, to float64) []Stage {
	for _, key := range []string{"from", "to"} {
		if _, ok := found[key]; !ok {
			if known && key == "from" {
				l.d.Wrong(n, "from is missing, expected the lowest load to try, such as {from: 50/s, to: 2000/s}, or a duration, for a ramp")
			}
			return nil
		}
	}
	switch {
	case from <= 0:
		l.d.Wrong(found["from"].Value, "a search cannot begin at %g, expected more than 0", from)
	case from >= to:
		l.d.Wrong(n, "the search goes from %g to %g, expected a highest load above the lowest", from, to)
	default:
		l.search = newSearch(from, to)
		return []Stage{{from, to, l.search.Budget, phaseSearch}}
	}
	return nil
}

func slope(from, to float64) string {
	switch {
	case from < to:
		return phaseRamp
	case from > to:
		return phaseDown
	}
	return phaseSteady
}

func (l *load) spike(n node) []Stage {
	var base, peak float64
	rise, hold, fall, before, after := defaultRise, defaultHold, time.Duration(-1), defaultBefore, defaultAfter
	found, known := l.d.Mapping(n, "a spike",
		document.Key("base", document.Into(&base, l.amount)),
		document.Key("peak", document.Into(&peak, l.amount)),
		document.Key("rise", document.Into(&rise, l.d.Duration)),
		document.Key("hold", document.Into(&hold, l.d.Duration)),
		document.Key("fall", document.Into(&fall, l.d.Duration)),
		document.Key("before", document.Into(&before, l.d.Duration)),
		document.Key("after", document.Into(&after, l.d.Duration)),
	)
	for _, key := range []string{"base", "peak"} {
		if _, ok := found[key]; !ok && known {
			l.d.Wrong(n, "%s is missing, expected a spike from a base to a peak", key)
			return nil
		}
	}
	if fall < 0 {
		fall = rise
	}
	if m, ok := found["peak"]; ok && peak <= base && peak > 0 {
		l.d.Wrong(m.Value, "the peak is not above the base, expected more than %g", base)
	}
	if _, both := found["after"]; both {
		l.noDuration("before, rise, hold, fall and after")
	} else if l.length != nil && l.duration > 0 {
		if after = l.duration - before - rise - hold - fall; after < 0 {
			l.d.Wrong(l.length.Value, "the spike takes %v, expected a duration that is longer", before+rise+hold+fall)
			return nil
		}
	}
	return []Stage{
		{base, base, before, phaseSteady}, {base, peak, rise, phaseRamp}, {peak, peak, hold, phaseSpike},
		{peak, base, fall, phaseDown}, {base, base, after, phaseRecovery},
	}
}

func (l *load) steps(n node) []Stage {
	var start, add float64
	var every time.Duration
	count := 0
	found, known := l.d.Mapping(n, "steps",
		document.Key("start", document.Into(&start, l.amount)),
		document.Key("add", document.Into(&add, l.amount)),
		document.Key("every", document.Into(&every, l.d.Positive)),
		document.Key("steps", document.Into(&count, l.d.Whole(1, maxStages/2))),
	)
	for _, key := range []string{"start", "add", "every"} {
		if _, ok := found[key]; !ok && known {
			l.d.Wrong(n, "%s is missing, expected {start, add, every, steps}: begin with start, then add so much every so often", key)
			return nil
		}
	}
	if every == 0 {
		return nil
	}
	if _, ok := found["steps"]; ok {
		l.noDuration("every and steps")
	} else {
		if !known || !l.needsDuration() {
			return nil
		}
		if count = int((l.duration + every - 1) / every); count > maxStages/2 {
			l.d.Wrong(found["every"].Value, "the duration has %d steps of this length, expected at most %d", count, maxStages/2)
			return nil
		}
	}
	whole := count
	if _, ok := found["steps"]; !ok {
		whole = int(l.duration / every) // one that is cut short tells nothing
	}
	if l.stress && start > 0 && add > 0 && whole > 0 {
		l.search = newStepTest(start, add, whole, every)
	}
	var stages []Stage
	for i := range count {
		phase, level := "step "+strconv.Itoa(i+1), start+float64(i)*add
		if i > 0 {
			stages = append(stages, Stage{level - add, level, 0, phase})
		}
		stages = append(stages, Stage{level, level, every, phase})
	}
	if _, ok := found["steps"]; !ok {
		return cut(stages, l.duration, false)
	}
	return stages
}

func (l *load) list(n node) []Stage {
	l.noDuration("the stages")
	items := l.d.Items(n, "stages: {to, over}, {hold} or {to}")
	if len(items) > maxStages {
		l.d.Wrong(n, "there are %d stages, expected at most %d", len(items), maxStages)
		return nil
	}
	var stages []Stage
	at := 0.0
	for i, item := range items {
		s := Stage{From: at, To: at}
		found, known := l.d.Mapping(item, "a stage",
			document.Key("to", document.Into(&s.To, l.amount)),
			document.Key("over", document.Into(&s.Over, l.d.Duration)),
			document.Key("hold", document.Into(&s.Over, l.d.Positive)),
		)
		_, to := found["to"]
		over, hasOver := found["over"]
		hold, hasHold := found["hold"]
		switch {
		case !known:
		case hasHold && (to || hasOver):
			l.d.Wrong(hold.Key, "hold is given beside to or over, expected a stage of its own: {to: 200/s, over: 30s}, {hold: 5m}")
		case hasHold && i == 0:
			l.d.Wrong(hold.Key, "there is nothing to hold yet, expected a stage {to} before it")
		case hasOver && !to:
			l.d.Wrong(over.Key, "to is missing beside over, expected {to, over}, or {hold} to stay")
		case !to && !hasHold:
			l.d.Wrong(item, "the stage is empty, expected {to, over}, {hold} or {to}")
		}
		s.Phase = slope(s.From, s.To)
		stages, at = append(stages, s), s.To
	}
	return stages
}

// check reports a shape that makes no sense as a whole, and reports whether it made sense.
func (l *load) check(n node, stages []Stage) bool {
	total, peak := time.Duration(0), 0.0
	for _, s := range stages {
		total, peak = total+s.Over, max(peak, s.From, s.To)
		limit := float64(document.MaxRate)
		if l.key == "users" {
			limit = maxUsers
		}
		if total > document.MaxDuration {
			l.d.Wrong(n, "the stages last longer than a year in total, expected less")
			return false
		}
		if peak > limit {
			l.d.Wrong(n, "the load rises to %.0f, expected at most %.0f", peak, limit)
			return false
		}
	}
	switch {
	case total <= 0:
		l.d.Wrong(n, "the test has no length, expected stages that last more than 0")
	case peak <= 0:
		l.d.Wrong(n, "the test has no load, expected more than 0 %s", l.key)
	default:
		return true
	}
	return false
}

// cut ends stages after a time that is not longer than they are. Users are whole.
func cut(stages []Stage, after time.Duration, whole bool) []Stage {
	var kept []Stage
	for _, s := range stages {
		if after <= 0 {
			break
		}
		if s.Over > after {
			s.To = s.From + (s.To-s.From)*after.Seconds()/s.Over.Seconds()
			if whole {
				s.To = math.Floor(s.To)
			}
			s.Over = after
		}
		kept, after = append(kept, s), after-s.Over
	}
	return kept
}

// defaultMaxUsers is how many iterations of the open model run at once at most, where the plan does not say: as many as
// there are if every iteration takes the whole timeout, within bounds.
func defaultMaxUsers(stages []Stage, timeout time.Duration) int {
	const least, most = 10, 1000
	return int(min(max(math.Ceil(peakOf(stages)*timeout.Seconds()), least), most))
}

// defaultSearchUsers is the same for a search: as many as there are if every iteration of the highest load takes a second, so
// that it is the target and not their number that limits.
func defaultSearchUsers(s *Search) int {
	const least, most = 1000, 10000
	return int(min(max(math.Ceil(s.To), least), most))
}

func peakOf(stages []Stage) float64 {
	peak := 0.0
	for _, s := range stages {
		peak = max(peak, s.From, s.To)
	}
	return peak
}

// peakUsers is the most users a shape has at once.
func (s *Shape) peakUsers() int {
	if s.Model == Open {
		return s.MaxUsers
	}
	return int(peakOf(s.Stages))
}

// users reads a number of users.
func (d *decoder) users(n node) (float64, bool) {
	v, ok := document.Read(d.Decoder, fmt.Sprintf("a whole number of users up to %d", maxUsers), document.ParseWhole(0, maxUsers))(n)
	return float64(v), ok
}
