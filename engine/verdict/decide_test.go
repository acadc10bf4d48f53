package verdict

import (
	"math/rand/v2"
	"testing"
	"time"

	"tidegauge/engine/plan"
	"tidegauge/engine/stat"
)

// TestClumpsAreRarelyWrong: with a share of failures of just what is allowed, looked at every second of a quarter of an hour, no more
// than the stated 5% of the runs are ever decided each way; also where failures come in clumps of ten.
func TestClumpsAreRarelyWrong(t *testing.T) {
	o := &plan.Objective{Metric: plan.ErrorRate, Op: "<", Threshold: 0.05}
	for name, size := range map[string]uint64{"one by one": 1, "in clumps": 10} {
		r := rand.New(rand.NewPCG(3, size))
		const runs = 200
		met, missed := 0, 0
		for range runs {
			c := clumps{per: 1, decision: stat.Undecided}
			for range 900 {
				s := share{n: 20}
				for range s.n / size {
					if r.Float64() < o.Threshold {
						s.beyond += size
					}
				}
				c.add(s)
				c.decide(o, time.Time{})
			}
			if len(c.blocks) > mostClumps {
				t.Fatalf("%d blocks are kept, want %d at most", len(c.blocks), mostClumps)
			}
			switch c.decision {
			case stat.Met:
				met++
			case stat.Missed:
				missed++
			case stat.Undecided:
			}
		}
		t.Logf("%s: %.1f%% met, %.1f%% missed", name, 100*float64(met)/runs, 100*float64(missed)/runs)
		if met > runs*5/100 || missed > runs*5/100 {
			t.Errorf("%s: of %d runs %d met and %d missed, want 5%% at most", name, runs, met, missed)
		}
	}
}

func TestClumpsDecide(t *testing.T) {
	for name, c := range map[string]struct {
		o      plan.Objective
		beyond uint64 // of 100 a second
		want   stat.Decision
	}{
		"few fail":        {plan.Objective{Metric: plan.ErrorRate, Op: "<", Threshold: 0.05}, 1, stat.Met},
		"none fails":      {plan.Objective{Metric: plan.ErrorRate, Op: "<=", Threshold: 0.05}, 0, stat.Met},
		"many fail":       {plan.Objective{Metric: plan.ErrorRate, Op: "<", Threshold: 0.05}, 20, stat.Missed},
		"as many":         {plan.Objective{Metric: plan.ErrorRate, Op: "<", Threshold: 0.05}, 5, stat.Undecided},
		"checks hold":     {plan.Objective{Metric: plan.CheckRate, Op: ">", Threshold: 0.9}, 99, stat.Met},
		"checks fail":     {plan.Objective{Metric: plan.CheckRate, Op: ">=", Threshold: 0.9}, 50, stat.Missed},
		"few are slow":    {plan.Objective{Metric: plan.Quantile, Quantile: 0.95, Op: "<", Threshold: 1}, 1, stat.Met},
		"many are slow":   {plan.Objective{Metric: plan.Quantile, Quantile: 0.95, Op: "<", Threshold: 1}, 10, stat.Missed},
		"slow on purpose": {plan.Objective{Metric: plan.Quantile, Quantile: 0.5, Op: ">", Threshold: 1}, 90, stat.Met},
	} {
		k := clumps{per: 1, decision: stat.Undecided}
		for range 60 {
			k.add(share{c.beyond, 100})
			k.decide(&c.o, time.Time{})
		}
		if k.decision != c.want {
			t.Errorf("%s: %s, want %s", name, k.decision, c.want)
		}
	}
}
