package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tidegauge/engine/plan"
)

func closed(stages ...plan.Stage) *plan.Shape {
	return &plan.Shape{Model: plan.Closed, Stages: stages}
}

type change struct {
	at time.Duration
	by int
}

func changes(u *Users) []change {
	var list []change
	for {
		at, by, ok := u.Next()
		if !ok {
			return list
		}
		list = append(list, change{at, by})
	}
}

func TestUsersOfSmallShapes(t *testing.T) {
	s := time.Second
	for _, c := range []struct {
		name  string
		shape *plan.Shape
		want  []change
		peak  int
	}{
		{"spawn rate", closed(ramp2(0, 4, 2*s), hold(4, s)), []change{{0, 1}, {s / 2, 1}, {s, 1}, {3 * s / 2, 1}}, 4},
		{"at once", closed(hold(3, s)), []change{{0, 1}, {0, 1}, {0, 1}}, 3},
		{"down", closed(hold(2, s), ramp2(2, 0, 2*s)), []change{{0, 1}, {0, 1}, {2 * s, -1}, {3 * s, -1}}, 2},
		{"up and down without a plateau", closed(ramp2(0, 2, 2*s), ramp2(2, 0, 2*s)),
			[]change{{0, 1}, {s, 1}, {3 * s, -1}, {4 * s, -1}}, 2},
		{"jump", closed(hold(1, s), ramp2(1, 3, 0), hold(3, s), hold(1, s)),
			[]change{{0, 1}, {s, 1}, {s, 1}, {2 * s, -1}, {2 * s, -1}}, 3},
		{"of two jumps at once the last counts", closed(hold(1, s), ramp2(1, 9, 0), ramp2(9, 2, 0), hold(2, s)),
			[]change{{0, 1}, {s, 1}}, 2},
		{"half a user is a user", closed(hold(1.5, s)), []change{{0, 1}, {0, 1}}, 2},
		{"nobody", closed(hold(0, s)), nil, 0},
		{"no stages", closed(), nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := changes(NewUsers(c.shape)); !slices.Equal(got, c.want) {
				t.Errorf("changes %v, want %v", got, c.want)
			}
			want := Needs{Duration: c.shape.Duration(), PeakUsers: c.peak}
			if got := NeedsOf(c.shape); got != want {
				t.Errorf("NeedsOf = %+v, want %+v", got, want)
			}
		})
	}
}

// Locust's user i starts at i/spawn_rate.
func TestUsersStartAsLocustsDo(t *testing.T) {
	spawnRate := 3.0
	ramp := time.Duration(100 / spawnRate * 1e9)
	for i, c := range changes(NewUsers(closed(ramp2(0, 100, ramp), hold(100, time.Minute)))) {
		want := time.Duration(float64(i) / spawnRate * 1e9)
		if c.by != 1 || (c.at-want).Abs() > 1 {
			t.Fatalf("user %d starts at %v, want %v", i, c.at, want)
		}
	}
}

func randomClosed(r *rand.Rand) *plan.Shape {
	s := closed()
	value := 0.0
	for range 1 + r.IntN(7) {
		st := plan.Stage{From: value, To: float64(r.IntN(60)) / float64(1+r.IntN(3)), Over: time.Duration(r.IntN(5000)) * ms}
		switch r.IntN(5) {
		case 0:
			st.To = st.From
		case 1:
			st.From = float64(r.IntN(60))
		case 2:
			st.Over = 0
		case 3:
			st.Over = time.Duration(r.Int64N(5e9))
		}
		value = st.To
		s.Stages = append(s.Stages, st)
	}
	return s
}

func TestUsersAtAndNextAgree(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := randomClosed(r)
		u := NewUsers(s)
		parts := 1 + r.IntN(4)
		if k := r.IntN(parts); parts > 1 {
			u = u.Share(k, parts)
		}
		list := changes(u)
		n, last := 0, time.Duration(0)
		for i, c := range list {
			if c.at < last || c.at > s.Duration() || c.by != 1 && c.by != -1 {
				t.Fatalf("seed %d: change %d is %+v after %v: %+v", seed, i, c, last, s.Stages)
			}
			if c.at > last {
				if got := u.At(c.at - 1); got != n {
					t.Fatalf("seed %d: At(%v) = %d, the changes until then make %d: %+v", seed, c.at-1, got, n, s.Stages)
				}
			}
			if n += c.by; n < 0 {
				t.Fatalf("seed %d: fewer than no users at %v", seed, c.at)
			}
			if last = c.at; i+1 == len(list) || list[i+1].at > c.at {
				if got := u.At(c.at); got != n {
					t.Fatalf("seed %d: At(%v) = %d, the changes until then make %d: %+v", seed, c.at, got, n, s.Stages)
				}
			}
		}
		if got := u.At(s.Duration() + time.Hour); got != n {
			t.Fatalf("seed %d: At after the end = %d, the changes make %d", seed, got, n)
		}
	}
}

func TestSharesOfUsersAddUp(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 6))
		s := randomClosed(r)
		whole := NewUsers(s)
		parts := 1 + r.IntN(5)
		var together []change
		for k := range parts {
			together = append(together, changes(whole.Share(k, parts))...)
		}
		byTime := func(a, b change) int { return int(a.at - b.at) }
		want := changes(whole)
		slices.SortStableFunc(together, byTime)
		if len(together) != len(want) {
			t.Fatalf("seed %d: %d shares have %d changes, the whole %d", seed, parts, len(together), len(want))
		}
		for i := range want {
			if want[i].at != together[i].at {
				t.Fatalf("seed %d: change %d at %v, in the whole at %v", seed, i, together[i].at, want[i].at)
			}
		}
		for range 20 {
			at := time.Duration(r.Int64N(int64(s.Duration()) + 1))
			sum := 0
			for k := range parts {
				sum += whole.Share(k, parts).At(at)
			}
			if sum != whole.At(at) {
				t.Fatalf("seed %d: shares have %d users at %v, the whole %d", seed, sum, at, whole.At(at))
			}
		}
	}
}

func TestPhaseAt(t *testing.T) {
	s := &plan.Shape{Stages: []plan.Stage{
		{Phase: "nothing"},
		{Phase: "ramp", Over: 10 * time.Second},
		{Phase: "jump"},
		{Phase: "steady", Over: time.Minute},
		{Phase: "end"},
	}}
	for _, c := range []struct {
		t     time.Duration
		index int
		phase string
	}{{-1, 1, "ramp"}, {0, 1, "ramp"}, {10*time.Second - 1, 1, "ramp"}, {10 * time.Second, 3, "steady"},
		{70 * time.Second, 3, "steady"}, {time.Hour, 3, "steady"}} {
		if index, phase := PhaseAt(s, c.t); index != c.index || phase != c.phase {
			t.Errorf("PhaseAt(%v) = %d, %q, want %d, %q", c.t, index, phase, c.index, c.phase)
		}
	}
	if index, phase := PhaseAt(&plan.Shape{}, 0); index != -1 || phase != "" {
		t.Errorf("PhaseAt of nothing = %d, %q, want -1, \"\"", index, phase)
	}
}

func TestWrongSharesPanic(t *testing.T) {
	for _, c := range [][2]int{{0, 0}, {1, 1}, {-1, 2}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Share(%d, %d) did not panic", c[0], c[1])
				}
			}()
			NewUsers(closed()).Share(c[0], c[1])
		}()
	}
}

func TestNeedsOfOpen(t *testing.T) {
	s := open(ramp2(0, 200, 30*time.Second), hold(200, time.Minute), ramp2(9, 9, 0))
	want := Needs{Duration: 90 * time.Second, PeakUsers: 10, PeakRate: 200, Iterations: 15000}
	if got := NeedsOf(s); got != want {
		t.Errorf("NeedsOf = %+v, want %+v", got, want)
	}
}
