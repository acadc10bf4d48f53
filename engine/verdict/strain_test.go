package verdict

import (
	"math"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/health"
	"tidegauge/engine/protocol"
)

// readings are those of a generator that uses so many of its two processors, as does its machine, second by second.
func readings(own, machine []float64, edit func(i int, r *health.Reading)) *strain {
	s := &strain{}
	r := health.Reading{Time: time.Unix(1000, 0), Processors: 2, FileLimit: 1000}
	for i := 0; ; i++ {
		one := r
		if edit != nil {
			edit(i, &one)
		}
		s.add(&one)
		if i == len(own) {
			break
		}
		r.Time = r.Time.Add(time.Second)
		r.CPUUser += 2 * own[i]
		r.MachineBusy += 2 * machine[i]
		r.MachineAll += 2
	}
	s.finish()
	return s
}

func flat(v float64, n int) []float64 {
	all := make([]float64, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func TestStrain(t *testing.T) {
	burst := append(append(flat(0.2, 5), 1, 1), flat(0.2, 5)...)
	slow := func(i int, r *health.Reading) {
		r.ScheduleDelays = health.Buckets{Bounds: []float64{0, 0.001, 0.1, 0.1}, Counts: []uint64{10, uint64(100 * i), 0}}
	}
	for name, test := range map[string]struct {
		s    *strain
		busy string
		warn string
	}{
		"idle":                 {readings(flat(0.3, 20), flat(0.5, 20), nil), "", ""},
		"at the limit":         {readings(flat(0.79, 20), flat(0.79, 20), nil), "", ""},
		"early warning":        {readings(flat(0.85, 20), flat(0.85, 20), nil), "", "used up to 85% of its 2 processors"},
		"saturated":            {readings(flat(0.96, 20), flat(0.99, 20), nil), "used up to 96% of its 2 processors, more than 90% for 20s of the 20s judged", ""},
		"saturated, short":     {readings(flat(0.96, 2), flat(0.96, 2), nil), "more than 90% for 2s of the 2s judged", ""},
		"a burst of 2 s":       {readings(burst, burst, nil), "", ""},
		"machine":              {readings(flat(0.05, 20), flat(0.99, 20), nil), "", "busy by up to 99%, of which the generator had 5%"},
		"starved":              {readings(flat(0.05, 20), flat(0.5, 20), slow), "goroutines waited p99 10 ms for a thread (allowed: 5 ms)", ""},
		"garbage collector":    {readings(flat(0.5, 20), flat(0.5, 20), func(i int, r *health.Reading) { r.GCSeconds = 0.4 * float64(i) }), "", "took 40% of the generator's CPU time"},
		"little of it":         {readings(flat(0.05, 20), flat(0.5, 20), func(i int, r *health.Reading) { r.GCSeconds = 0.09 * float64(i) }), "", ""},
		"files":                {readings(flat(0.3, 20), flat(0.5, 20), func(i int, r *health.Reading) { r.Files = 47 * float64(i) }), "", "940 of 1,000 possible files"},
		"nothing is known":     {readings(flat(math.NaN(), 20), flat(math.NaN(), 20), func(_ int, r *health.Reading) { r.Files = math.NaN() }), "", ""},
		"nothing was measured": {&strain{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			busy, warn := test.s.cpu(5*time.Millisecond), strings.Join(test.s.warnings(), "\n")
			if test.busy == "" && busy != "" || !strings.Contains(busy, test.busy) {
				t.Errorf("busy %q, want %q", busy, test.busy)
			}
			if test.warn == "" && warn != "" || !strings.Contains(warn, test.warn) {
				t.Errorf("warnings %q, want %q", warn, test.warn)
			}
		})
	}
}

// TestStrainInTheVerdict: a missed objective on speed is no verdict on the target where the generator had too little CPU, its own
// or a thread to run on; a met one stands, with a warning; and one that speed says nothing of is missed all the same.
func TestStrainInTheVerdict(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	reading := func(share float64, wait float64) func(int) *health.Reading {
		return func(second int) *health.Reading {
			return &health.Reading{
				Time: start.Add(time.Duration(second) * time.Second), Processors: 2, CPUUser: 2 * share * float64(second), FileLimit: 1000,
				ScheduleDelays: health.Buckets{Bounds: []float64{0, wait, wait}, Counts: []uint64{uint64(100 * second), 0}},
			}
		}
	}
	for name, test := range map[string]struct {
		health    func(int) *health.Reading
		seconds   float64 // response time; up to 50 ms is allowed
		failed    int     // of 100
		outcome   Outcome
		code      string
		objective string // what the first one warns of
		warning   string // of the run
	}{
		"enough CPU, missed":          {reading(0.5, 0.001), 0.1, 0, Fail, CodeObjective, "", ""},
		"enough CPU, met":             {reading(0.5, 0.001), 0.01, 0, Pass, CodeObjective, "", ""},
		"no CPU left, missed":         {reading(0.96, 0.001), 0.1, 0, Inconclusive, CodeCPU, "missed, but the generator had too little CPU", ""},
		"no thread to run on, missed": {reading(0.3, 0.05), 0.1, 0, Inconclusive, CodeCPU, "missed, but the generator had too little CPU", ""},
		"no CPU left, met":            {reading(0.96, 0.001), 0.01, 0, Pass, CodeObjective, "", "the generator used up to 96%"},
		"no thread to run on, met":    {reading(0.3, 0.05), 0.01, 0, Pass, CodeObjective, "", "its goroutines waited p99"},
		"no CPU left, failures":       {reading(0.96, 0.001), 0.01, 50, Fail, CodeObjective, "50% of the requests failed, and their times count too", "the generator used up to 96%"},
		"not measured":                {nil, 0.1, 0, Fail, CodeObjective, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeRun(t, Options{Test: loadTest(p95(0.05), errorRate(0.01))})
			f.health = test.health
			v := f.usual(work{n: 100 - test.failed, seconds: test.seconds}, work{n: test.failed, seconds: test.seconds, outcome: protocol.Status})
			if v.Outcome != test.outcome || v.Code() != test.code {
				t.Errorf("%s (%s), want %s (%s): %s", v.Outcome, v.Code(), test.outcome, test.code, v.Summary)
			}
			if got := strings.Join(v.Objectives()[0].Warnings, "; "); got != test.objective {
				t.Errorf("the objective warns %q, want %q", got, test.objective)
			}
			if got := strings.Join(v.Warnings, "; "); test.warning == "" && got != "" || !strings.Contains(got, test.warning) {
				t.Errorf("warnings %q, want %q", got, test.warning)
			}
		})
	}
}
