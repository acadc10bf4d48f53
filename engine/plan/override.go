package plan

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"tidegauge/engine/document"
)

// Overrides are what Locust's flags say about a test, with Locust's meaning. Zero: as the plan says.
type Overrides struct {
	Host        string         // --host: the base URL of the target
	Against     string         // --against: the base URL of a second target, that takes turns with the first
	Users       int            // --users: the load becomes a closed one of so many users
	SpawnRate   float64        // --spawn-rate: users started per second
	RunTime     time.Duration  // --run-time: the test ends after this time; a last steady stage is made longer where needed
	Tags        []string       // --tags: instead of the test's
	ExcludeTags []string       // --exclude-tags: instead of the test's
	StopTimeout *time.Duration // --stop-timeout; nil: as the plan says
}

// Override returns a test, chosen as by [Plan.Test], as it is with overrides. The test of the plan stays as it is; the host
// becomes the plan's, since it is the target of whatever runs. The error names every flag that does not fit.
func (p *Plan) Override(name string, o Overrides) (*Test, error) {
	chosen, err := p.Test(name)
	if err != nil {
		return nil, err
	}
	t := *chosen
	t.Shape.Stages = slices.Clone(t.Shape.Stages)
	var errs []error
	if o.Host != "" {
		host, err := parseBaseURL(o.Host)
		if err != nil {
			errs = append(errs, fmt.Errorf("--host: %w, expected a URL such as http://localhost:8000", err))
		} else {
			p.Target.BaseURL = host
		}
	}
	if o.Against != "" {
		against, err := parseBaseURL(o.Against)
		if err != nil {
			errs = append(errs, fmt.Errorf("--against: %w, expected a URL such as http://localhost:8001", err))
		}
		t.Against = against
	}
	if err := o.shape(&t); err != nil {
		errs = append(errs, err)
	}
	if len(o.Tags) > 0 {
		t.Tags = o.Tags
	}
	if len(o.ExcludeTags) > 0 {
		t.ExcludeTags = o.ExcludeTags
	}
	if stop := o.StopTimeout; stop != nil {
		if *stop < 0 {
			errs = append(errs, fmt.Errorf("--stop-timeout: %v is negative, expected a duration", *stop))
		}
		t.StopTimeout = *stop
	}
	problems := p.unknownWords(&t)
	if len(errs)+len(problems) == 0 {
		problems = append(p.complete(&t), t.searchProblems()...)
	}
	for _, problem := range problems {
		errs = append(errs, fmt.Errorf("%s: %s", flagOf(problem.key), problem.message))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("test %s of %s: %w", document.Quoted(t.Name), p.File, errors.Join(errs...))
	}
	requests := p.requests(&t)
	t.Objectives = slices.DeleteFunc(slices.Clone(t.Objectives), func(o Objective) bool { return !o.concerns(requests) })
	return &t, nil
}

// flagOf returns the flag that says what a key of a test says.
func flagOf(key string) string {
	switch key {
	case "tags", "users":
		return "--" + key
	case "exclude_tags":
		return "--exclude-tags"
	case "faults", "search":
		return "--run-time"
	}
	return key
}

// shape gives the test the load that the flags ask for.
func (o *Overrides) shape(t *Test) error {
	s := &t.Shape
	switch {
	case o.Users < 0 || o.Users > maxUsers:
		return fmt.Errorf("--users: %d, expected a number from 1 to %d", o.Users, maxUsers)
	case o.SpawnRate < 0 || o.SpawnRate > document.MaxRate || o.SpawnRate != o.SpawnRate:
		return fmt.Errorf("--spawn-rate: %g, expected users per second, more than 0", o.SpawnRate)
	case o.RunTime < 0 || o.RunTime > document.MaxDuration:
		return fmt.Errorf("--run-time: %v, expected more than 0 and at most a year", o.RunTime)
	}
	if o.Users == 0 && o.SpawnRate == 0 {
		if o.RunTime == 0 {
			return nil
		}
		if t.Search != nil && !t.Search.Steps() {
			search := *t.Search
			search.Budget, s.Stages[0].Over, t.Search = o.RunTime, o.RunTime, &search
			return nil
		}
		if t.Search != nil {
			search := *t.Search
			every := search.WarmUp + search.Trial
			whole := math.Floor(o.RunTime.Seconds() / every.Seconds())
			if whole < 1 {
				return fmt.Errorf("--run-time: %v, expected room for a step of %v at least", o.RunTime, every)
			}
			search.To, t.Search = min(search.To, search.From+(whole-1)*search.Add), &search
		}
		return s.last(o.RunTime)
	}
	users, spawn, duration := o.Users, o.SpawnRate, s.Duration()
	if users == 0 {
		if users = s.peakUsers(); s.Model == Open {
			return errors.New("--spawn-rate: the test has arrivals, which start no users one by one; give --users too, to make it one of users")
		}
	}
	if spawn == 0 {
		spawn = s.spawnRate()
	}
	if o.RunTime > 0 {
		duration = o.RunTime
	}
	*s = Shape{Pos: s.Pos, Model: Closed, Stages: spawned(float64(users), spawn, duration)}
	t.Search = nil
	return nil
}

// spawnRate returns how fast a closed shape starts its first users, in users per second.
func (s *Shape) spawnRate() float64 {
	if first := s.Stages[0]; s.Model == Closed && first.From < first.To && first.Over > 0 {
		return (first.To - first.From) / first.Over.Seconds()
	}
	return DefaultSpawnRate
}

// last makes a shape last so long: it ends earlier, or its last steady stage lasts longer.
func (s *Shape) last(duration time.Duration) error {
	if missing := duration - s.Duration(); missing > 0 {
		end := &s.Stages[len(s.Stages)-1]
		if end.From != end.To {
			return fmt.Errorf("--run-time: the test ends after %v with a ramp, and cannot last %v, expected a shorter time or a test that ends with a steady load", s.Duration(), duration)
		}
		end.Over += missing
		return nil
	}
	s.Stages = cut(s.Stages, duration, s.Model == Closed)
	return nil
}
