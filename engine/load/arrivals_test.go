package load

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tidegauge/engine/plan"
)

const ms = time.Millisecond

func open(stages ...plan.Stage) *plan.Shape {
	return &plan.Shape{Model: plan.Open, Stages: stages, MaxUsers: 10}
}

func hold(v float64, over time.Duration) plan.Stage {
	return plan.Stage{From: v, To: v, Over: over}
}

func ramp2(from, to float64, over time.Duration) plan.Stage {
	return plan.Stage{From: from, To: to, Over: over}
}

func all(a *Arrivals) []time.Duration {
	var due []time.Duration
	for {
		d, ok := a.Next()
		if !ok {
			return due
		}
		due = append(due, d)
	}
}

func TestArrivalsOfSmallShapes(t *testing.T) {
	for _, c := range []struct {
		name  string
		shape *plan.Shape
		want  []time.Duration
	}{
		{"constant", open(hold(4, time.Second)), []time.Duration{0, 250 * ms, 500 * ms, 750 * ms}},
		{"nothing", open(hold(0, time.Second)), nil},
		{"no length", open(ramp2(0, 100, 0)), nil},
		{"no stages", open(), nil},
		{"a fraction is an arrival at its beginning", open(hold(0.25, time.Second)), []time.Duration{0}},
		// Λ(t) = 4t², so arrival n is due at √n/2.
		{"ramp up", open(ramp2(0, 8, time.Second)), []time.Duration{0, 500 * ms, 707106781, 866025404}},
		// The same, mirrored: what is left after arrival n is 4(1-t)² = 4-n.
		{"ramp down", open(ramp2(8, 0, time.Second)), []time.Duration{0, 133974596, 292893219, 500 * ms}},
		// The first stage leaves half an arrival; the second adds the other half after 0.5/2 s.
		{"fractions are carried over", open(hold(1, 1500*ms), hold(2, time.Second)),
			[]time.Duration{0, time.Second, 1750 * ms, 2250 * ms}},
		{"a pause keeps what is due at its end", open(hold(2, time.Second), hold(0, time.Second), hold(2, time.Second)),
			[]time.Duration{0, 500 * ms, 2 * time.Second, 2500 * ms}},
		{"a pause keeps a fraction", open(hold(1, 500*ms), hold(0, time.Second), hold(1, time.Second)),
			[]time.Duration{0, 2 * time.Second}},
		{"a jump has no arrivals", open(hold(2, time.Second), ramp2(2, 4, 0), hold(4, 500*ms)),
			[]time.Duration{0, 500 * ms, time.Second, 1250 * ms}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := all(NewArrivals(c.shape, 0)); !slices.Equal(got, c.want) {
				t.Errorf("arrivals %v, want %v", got, c.want)
			}
			if got := NeedsOf(c.shape).Iterations; got != uint64(len(c.want)) {
				t.Errorf("Needs.Iterations = %d, want %d", got, len(c.want))
			}
		})
	}
}

func TestHundredASecondForTwoSecondsIsTwoHundred(t *testing.T) {
	due := all(NewArrivals(open(hold(100, 2*time.Second)), 0))
	if len(due) != 200 {
		t.Fatalf("%d arrivals, want 200", len(due))
	}
	for n, d := range due {
		if want := time.Duration(n) * 10 * ms; d != want {
			t.Fatalf("arrival %d at %v, want %v", n, d, want)
		}
	}
}

// A shape of rational rates and its exact integral.
func randomOpen(r *rand.Rand) (*plan.Shape, *big.Rat) {
	denominators := []int64{1, 1, 1, 2, 3, 4, 6, 7, 10, 60}
	rate := func() *big.Rat {
		if r.IntN(5) == 0 {
			return new(big.Rat)
		}
		return big.NewRat(r.Int64N(500), denominators[r.IntN(len(denominators))])
	}
	total := new(big.Rat)
	s := open()
	var last *big.Rat
	for range 1 + r.IntN(6) {
		from, to := rate(), rate()
		if last != nil && r.IntN(2) == 0 {
			from = last
		}
		if r.IntN(3) == 0 {
			to = from
		}
		last = to
		tenths := r.Int64N(100)
		a, _ := from.Float64()
		b, _ := to.Float64()
		s.Stages = append(s.Stages, ramp2(a, b, time.Duration(tenths)*100*ms))
		area := new(big.Rat).Add(from, to)
		total.Add(total, area.Mul(area, big.NewRat(tenths, 20)))
	}
	return s, total
}

func ceil(r *big.Rat) uint64 {
	q := new(big.Int).Add(r.Num(), new(big.Int).Sub(r.Denom(), big.NewInt(1)))
	return q.Div(q, r.Denom()).Uint64()
}

func TestTotalsAreExact(t *testing.T) {
	for seed := range uint64(300) {
		s, total := randomOpen(rand.New(rand.NewPCG(seed, 1)))
		due := all(NewArrivals(s, 0))
		if uint64(len(due)) != ceil(total) {
			t.Fatalf("seed %d: %d arrivals, want %d (%s) of %+v", seed, len(due), ceil(total), total, s.Stages)
		}
		if got := NeedsOf(s).Iterations; got != ceil(total) {
			t.Fatalf("seed %d: Needs.Iterations = %d, want %d", seed, got, ceil(total))
		}
	}
}

func TestTotalsOfUnevenStages(t *testing.T) {
	third := func(d time.Duration) time.Duration { return d / 3 }
	for _, c := range []struct {
		shape *plan.Shape
		want  int
	}{
		{open(hold(20./60, 3*time.Minute)), 60},
		{open(hold(1./3, 3*time.Second)), 1},
		{open(hold(3, third(20*time.Second)+1)), 20}, // 6.666666667 s, a third of a nanosecond too long
		{open(hold(0.1, 10*time.Second), hold(0.2, 10*time.Second), hold(0.7, 10*time.Second)), 10},
		{open(hold(10_000, time.Minute)), 600_000},
	} {
		n := 0
		for a := NewArrivals(c.shape, 0); ; n++ {
			if _, ok := a.Next(); !ok {
				break
			}
		}
		if n != c.want {
			t.Errorf("%+v: %d arrivals, want %d", c.shape.Stages, n, c.want)
		}
	}
}

// cumulative integrates the shape independently of the code under test, with 200 bits.
func cumulative(s *plan.Shape, t time.Duration) *big.Float {
	num := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	sum := num(0)
	for _, st := range s.Stages {
		if st.Over == 0 {
			continue
		}
		part := min(t, st.Over)
		// from·x + (to-from)·x²/2D
		x := num(float64(part))
		area := new(big.Float).Sub(num(st.To), num(st.From))
		area.Mul(area, x).Quo(area, num(2*float64(st.Over))).Add(area, num(st.From)).Mul(area, x).Quo(area, num(1e9))
		sum.Add(sum, area)
		if t -= part; t <= 0 {
			break
		}
	}
	return sum
}

func TestArrivalsAreWhereTheIntegralIsWhole(t *testing.T) {
	for seed := range uint64(200) {
		s, _ := randomOpen(rand.New(rand.NewPCG(seed, 2)))
		a := NewArrivals(s, 0)
		for n, due := range all(NewArrivals(s, 0)) {
			if n%17 != 0 {
				continue
			}
			// One nanosecond either way must bracket n, but for what a nanosecond at this rate is worth.
			slack := 2e-9*max(a.RateAt(due), 1) + 1e-9
			low, _ := cumulative(s, due-1).Float64()
			high, _ := cumulative(s, due+1).Float64()
			if low > float64(n)+slack || high < float64(n)-slack {
				t.Fatalf("seed %d: arrival %d at %v where the integral is between %v and %v: %+v", seed, n, due, low, high, s.Stages)
			}
		}
	}
}

func TestArrivalsNeverDecreaseAndEndWithTheShape(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		s, _ := randomOpen(r)
		s.Poisson = r.IntN(2) == 0
		last := time.Duration(0)
		for n, due := range all(NewArrivals(s, seed)) {
			if due < last || due >= s.Duration() {
				t.Fatalf("seed %d: arrival %d at %v after %v in a shape of %v", seed, n, due, last, s.Duration())
			}
			last = due
		}
	}
}

func TestSharesMakeTheWhole(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 4))
		s, _ := randomOpen(r)
		s.Poisson = r.IntN(2) == 0
		whole := NewArrivals(s, seed)
		want := all(whole)
		parts := 1 + r.IntN(5)
		for k := range parts {
			share := whole.Share(k, parts)
			var expected []time.Duration
			for n := k; n < len(want); n += parts {
				expected = append(expected, want[n])
			}
			if got := all(share); !slices.Equal(got, expected) {
				t.Fatalf("seed %d: share %d of %d has %d arrivals, want %d", seed, k, parts, len(got), len(expected))
			}
			// A share of a share is a share: the halves of it make it.
			even, odd := all(share.Share(0, 2)), all(share.Share(1, 2))
			both := slices.Concat(even, odd)
			slices.Sort(both)
			if !slices.Equal(both, expected) {
				t.Fatalf("seed %d: halves of share %d of %d do not make it", seed, k, parts)
			}
		}
	}
}

func TestPoissonArrivals(t *testing.T) {
	s := open(ramp2(0, 2000, 20*time.Second), hold(2000, 10*time.Second), ramp2(2000, 500, 10*time.Second))
	s.Poisson = true
	due := all(NewArrivals(s, 7))
	mean := float64(NeedsOf(s).Iterations)
	if mean != 52500 {
		t.Fatalf("Needs.Iterations = %v, want the mean 52500", mean)
	}
	if math.Abs(float64(len(due))-mean) > 4*math.Sqrt(mean) {
		t.Errorf("%d arrivals, want %v within four standard deviations", len(due), mean)
	}
	// Rescaled by Λ, the gaps are exponential with mean 1 whatever the rate did (Kolmogorov-Smirnov at 0.1%).
	gaps := make([]float64, len(due))
	last := 0.0
	for i, d := range due {
		at, _ := cumulative(s, d).Float64()
		gaps[i], last = at-last, at
	}
	slices.Sort(gaps)
	worst := 0.0
	for i, g := range gaps {
		f := 1 - math.Exp(-g)
		worst = max(worst, math.Abs(f-float64(i)/float64(len(gaps))), math.Abs(f-float64(i+1)/float64(len(gaps))))
	}
	if limit := 1.95 / math.Sqrt(float64(len(gaps))); worst > limit {
		t.Errorf("gaps are off the exponential distribution by %.4f, at most %.4f expected", worst, limit)
	}
	if !slices.Equal(due, all(NewArrivals(s, 7))) {
		t.Error("the same seed gave other arrivals")
	}
	if slices.Equal(due, all(NewArrivals(s, 8))) {
		t.Error("another seed gave the same arrivals")
	}
}

func TestNextAfterTheEnd(t *testing.T) {
	for _, poisson := range []bool{false, true} {
		s := open(hold(10, time.Second))
		s.Poisson = poisson
		a := NewArrivals(s, 1)
		all(a)
		for range 3 {
			if d, ok := a.Next(); ok || d != 0 {
				t.Errorf("Next after the end = %v, %v, want 0, false", d, ok)
			}
		}
	}
}

func TestRateAt(t *testing.T) {
	a := NewArrivals(open(ramp2(0, 100, 10*time.Second), ramp2(100, 30, 0), hold(30, time.Second)), 0)
	for _, c := range []struct {
		t    time.Duration
		want float64
	}{{-1, 0}, {0, 0}, {5 * time.Second, 50}, {10 * time.Second, 30}, {11*time.Second - 1, 30}, {11 * time.Second, 0}} {
		if got := a.RateAt(c.t); got != c.want {
			t.Errorf("RateAt(%v) = %v, want %v", c.t, got, c.want)
		}
	}
	if got := a.Share(1, 4).RateAt(5 * time.Second); got != 12.5 {
		t.Errorf("a quarter's rate = %v, want 12.5", got)
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	for _, poisson := range []bool{false, true} {
		s := open(ramp2(0, 1000, time.Hour))
		s.Poisson = poisson
		a := NewArrivals(s, 1)
		if n := testing.AllocsPerRun(1000, func() { a.Next() }); n != 0 {
			t.Errorf("poisson %v: Next allocates %v times, want 0", poisson, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	shapes := map[string]*plan.Shape{
		"constant": open(hold(1e6, 1000*time.Hour)),
		"up":       open(ramp2(0, 1e6, 1000*time.Hour)),
		"down":     open(ramp2(1e6, 0, 1000*time.Hour)),
		"poisson":  {Model: plan.Open, Poisson: true, Stages: []plan.Stage{ramp2(0, 1e6, 1000*time.Hour)}},
	}
	for name, s := range shapes {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			a := NewArrivals(s, 1)
			for b.Loop() {
				a.Next()
			}
		})
	}
}
