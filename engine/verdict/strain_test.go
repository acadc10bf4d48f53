package verdict

import (
	"math"
	"strings"
	"testing"
	"time"

	"tidegauge/engine/health"
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
