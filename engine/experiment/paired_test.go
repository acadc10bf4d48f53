package experiment

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/plan"
	"tidegauge/engine/stat"
)

func held(over ...time.Duration) *plan.Test {
	t := &plan.Test{Name: "ab", Type: plan.Load, Against: "http://localhost:2"}
	t.Shape.Stages = []plan.Stage{{From: 0, To: 10, Over: over[0]}, {From: 10, To: 10, Over: over[1]}}
	return t
}

func TestBlocks(t *testing.T) {
	b, err := newTurns(held(7*time.Second, 5*time.Minute), 3)
	if err != nil {
		t.Fatal(err)
	}
	if b.from != 7*time.Second || b.length != 12*time.Second || b.wash != 3*time.Second || len(b.second) != 24 {
		t.Fatalf("%+v", b)
	}
	firsts := 0
	for i := 0; i < len(b.second); i += 2 {
		if b.second[i] == b.second[i+1] {
			t.Errorf("pair %d has one target twice", i/2)
		}
		if b.second[i] {
			firsts++
		}
	}
	if firsts != 6 {
		t.Errorf("the second target comes first in %d of 12 pairs", firsts)
	}
	for _, at := range []time.Duration{7 * time.Second, 19*time.Second - 1, 290 * time.Second} {
		if n := int((at - b.from) / b.length); b.at(at) != b.second[n] {
			t.Errorf("at %v", at)
		}
	}
	if b.at(0) == b.at(0-b.length) || b.at(10*time.Minute) == b.at(10*time.Minute+b.length) {
		t.Error("they do not take turns before and after the blocks")
	}
	again, err := newTurns(held(7*time.Second, 5*time.Minute), 3)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.second {
		if b.second[i] != again.second[i] {
			t.Fatal("the same seed gives another order")
		}
	}
	for name, wrong := range map[string]*plan.Test{"too short": held(time.Second, 30*time.Second), "of another type": {Type: plan.Soak, Shape: held(0, time.Hour).Shape}} {
		if _, err := newTurns(wrong, 1); !errors.Is(err, ErrPlan) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What blocks come to is compared with the other of their pair, whatever their order, the first pair left out.
func TestPairsOfBlocks(t *testing.T) {
	b, err := newTurns(held(time.Second, 2*time.Minute), 5)
	if err != nil {
		t.Fatal(err)
	}
	first, second := b.pairs(func(from, to time.Duration) compare.Values {
		if to-from != b.length-b.wash {
			t.Errorf("a block from %v to %v", from, to)
		}
		target := 1.0
		if b.at(from) != b.at(to-1) {
			t.Errorf("two targets from %v to %v", from, to)
		}
		if b.at(from) {
			target = 2
		}
		return compare.Values{Values: []compare.Value{{Metric: compare.P50, Value: target}}}
	}, 61*time.Second)
	want := int(time.Minute/(2*b.length)) - 1
	if len(first) != want || len(second) != want {
		t.Fatalf("%d and %d of %d pairs", len(first), len(second), want)
	}
	for i := range first {
		if first[i].Values[0].Value != 1 || second[i].Values[0].Value != 2 {
			t.Errorf("pair %d: %v, %v", i, first[i], second[i])
		}
	}
}

// Two targets on a machine that drifts by 30% while they are loaded in turns: how often one is called worse.
func TestFiguresOfTurns(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 7))
	for _, c := range []struct {
		slower      float64
		least, most float64
	}{{1, 0, 0.04}, {1.1, 0.6, 1}, {1.2, 0.95, 1}} {
		const rounds = 400
		found := 0.0
		for round := range rounds {
			b, err := newTurns(held(0, 5*time.Minute), uint64(round+1))
			if err != nil {
				t.Fatal(err)
			}
			noise := 0.0
			a, o := b.pairs(func(from, _ time.Duration) compare.Values {
				noise = 0.5*noise + 0.04*r.NormFloat64() // alike from block to block
				level := 0.05 * math.Exp(0.3*from.Seconds()/300+noise)
				if b.at(from) {
					level /= c.slower
				}
				v := compare.Values{}
				for _, m := range []string{compare.P50, compare.P95, compare.P99} {
					v.Values = append(v.Values, compare.Value{Metric: m, Value: level * math.Exp(0.03*r.NormFloat64())})
				}
				return v
			}, 5*time.Minute)
			if compare.Paired("r", "a", "b", a, o).Verdict == stat.Regression {
				found++
			}
		}
		found /= rounds
		t.Logf("%.0f%% slower: %.1f%% regressions", 100*(c.slower-1), 100*found)
		if found < c.least || found > c.most {
			t.Errorf("%.0f%% slower: %.1f%% regressions, want %.0f%% to %.0f%%", 100*(c.slower-1), 100*found, 100*c.least, 100*c.most)
		}
	}
}
