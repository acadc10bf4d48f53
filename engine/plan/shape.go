package plan

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"
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
		l.d.wrong(l.test, "duration is missing, expected how long the test lasts, such as duration: 5m")
	}
	return l.duration > 0
}

// noDuration reports a duration beside stages that have lengths of their own.
func (l *load) noDuration(instead string) {
	if l.length != nil {
		l.d.wrong(l.length.key, "duration is given beside %s, which say how long the test lasts, expected only one of them", instead)
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
		l.d.wrong(l.length.value, "starting %g users at %g/s takes %v, expected a longer duration or a higher spawn_rate, so that all of them run for a while", amount, l.spawn, ramp.Round(time.Millisecond))
		return nil
	}
	return spawned(amount, l.spawn, l.duration)
}

// rampOf returns how long it takes to start users.
func rampOf(users, spawnRate float64) time.Duration {
	return time.Duration(min(users/spawnRate*float64(time.Second), float64(maxDuration)))
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
	found, known := l.d.mapping(n, "a ramp", field{"from", into(&from, l.amount)}, field{"to", into(&to, l.amount)})
	if _, ok := found["to"]; !ok && known {
		l.d.wrong(n, "to is missing, expected a ramp {from, to}, a spike {base, peak, rise, hold, fall, before, after}, steps {start, add, every, steps} or a list of stages")
	}
	if !l.needsDuration() {
		return nil
	}
	return []Stage{{from, to, l.duration, slope(from, to)}}
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
	found, known := l.d.mapping(n, "a spike",
		field{"base", into(&base, l.amount)},
		field{"peak", into(&peak, l.amount)},
		field{"rise", into(&rise, l.d.duration)},
		field{"hold", into(&hold, l.d.duration)},
		field{"fall", into(&fall, l.d.duration)},
		field{"before", into(&before, l.d.duration)},
		field{"after", into(&after, l.d.duration)},
	)
	for _, key := range []string{"base", "peak"} {
		if _, ok := found[key]; !ok && known {
			l.d.wrong(n, "%s is missing, expected a spike from a base to a peak", key)
			return nil
		}
	}
	if fall < 0 {
		fall = rise
	}
	if m, ok := found["peak"]; ok && peak <= base && peak > 0 {
		l.d.wrong(m.value, "the peak is not above the base, expected more than %g", base)
	}
	if _, both := found["after"]; both {
		l.noDuration("before, rise, hold, fall and after")
	} else if l.length != nil && l.duration > 0 {
		if after = l.duration - before - rise - hold - fall; after < 0 {
			l.d.wrong(l.length.value, "the spike takes %v, expected a duration that is longer", before+rise+hold+fall)
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
	found, known := l.d.mapping(n, "steps",
		field{"start", into(&start, l.amount)},
		field{"add", into(&add, l.amount)},
		field{"every", into(&every, l.d.positive)},
		field{"steps", into(&count, l.d.whole(1, maxStages/2))},
	)
	for _, key := range []string{"start", "add", "every"} {
		if _, ok := found[key]; !ok && known {
			l.d.wrong(n, "%s is missing, expected {start, add, every, steps}: begin with start, then add so much every so often", key)
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
			l.d.wrong(found["every"].value, "the duration has %d steps of this length, expected at most %d", count, maxStages/2)
			return nil
		}
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
	items := l.d.items(n, "stages: {to, over}, {hold} or {to}")
	if len(items) > maxStages {
		l.d.wrong(n, "there are %d stages, expected at most %d", len(items), maxStages)
		return nil
	}
	var stages []Stage
	at := 0.0
	for i, item := range items {
		s := Stage{From: at, To: at}
		found, known := l.d.mapping(item, "a stage",
			field{"to", into(&s.To, l.amount)},
			field{"over", into(&s.Over, l.d.duration)},
			field{"hold", into(&s.Over, l.d.positive)},
		)
		_, to := found["to"]
		over, hasOver := found["over"]
		hold, hasHold := found["hold"]
		switch {
		case !known:
		case hasHold && (to || hasOver):
			l.d.wrong(hold.key, "hold is given beside to or over, expected a stage of its own: {to: 200/s, over: 30s}, {hold: 5m}")
		case hasHold && i == 0:
			l.d.wrong(hold.key, "there is nothing to hold yet, expected a stage {to} before it")
		case hasOver && !to:
			l.d.wrong(over.key, "to is missing beside over, expected {to, over}, or {hold} to stay")
		case !to && !hasHold:
			l.d.wrong(item, "the stage is empty, expected {to, over}, {hold} or {to}")
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
		limit := float64(maxRate)
		if l.key == "users" {
			limit = maxUsers
		}
		if total > maxDuration {
			l.d.wrong(n, "the stages last longer than a year in total, expected less")
			return false
		}
		if peak > limit {
			l.d.wrong(n, "the load rises to %.0f, expected at most %.0f", peak, limit)
			return false
		}
	}
	switch {
	case total <= 0:
		l.d.wrong(n, "the test has no length, expected stages that last more than 0")
	case peak <= 0:
		l.d.wrong(n, "the test has no load, expected more than 0 %s", l.key)
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
	v, ok := read(d, fmt.Sprintf("a whole number of users up to %d", maxUsers), parseWhole(0, maxUsers))(n)
	return float64(v), ok
}
