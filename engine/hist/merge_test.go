package hist

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// same reports what two histograms differ in, but for the rounding of their sums.
func same(t *testing.T, what string, got, want *Histogram) {
	t.Helper()
	g, w := got.Buckets(Scale), want.Buckets(Scale)
	if g.Offset != w.Offset || g.Zero != w.Zero || !slices.Equal(g.Counts, w.Counts) {
		t.Errorf("%s: buckets %+v, want %+v", what, g, w)
	}
	if got.Count() != want.Count() || got.Min() != want.Min() || got.Max() != want.Max() {
		t.Errorf("%s: count %d min %v max %v, want %d %v %v", what, got.Count(), got.Min(), got.Max(), want.Count(), want.Min(), want.Max())
	}
	if math.Abs(got.Sum()-want.Sum()) > 1e-9*want.Sum() {
		t.Errorf("%s: sum %v, want %v", what, got.Sum(), want.Sum())
	}
}

func TestMergeOfShardsIsIdenticalToOne(t *testing.T) {
	for _, s := range shapes {
		r := rand.New(rand.NewPCG(3, 4))
		var one, merged Histogram
		var shards [4]Histogram
		for range 50_000 {
			v := s.draw(r)
			one.Record(v)
			shards[r.IntN(4)].Record(v)
		}
		for _, i := range []int{2, 0, 3, 1} {
			merged.Merge(&shards[i])
		}
		same(t, s.name, &merged, &one)
		for q := 0.0; q <= 1; q += 0.001 {
			if got, want := merged.Quantile(q), one.Quantile(q); got != want {
				t.Fatalf("%s: quantile %v = %v, want %v", s.name, q, got, want)
			}
		}
	}
}

func TestMergeWithItselfAndWithNothing(t *testing.T) {
	h := of(0, 1, 2, 3)
	h.Merge(&Histogram{})
	same(t, "with nothing", h, of(0, 1, 2, 3))
	h.Merge(h)
	same(t, "with itself", h, of(0, 1, 2, 3, 0, 1, 2, 3))
	var empty Histogram
	empty.Merge(of(5, 7))
	same(t, "into nothing", &empty, of(5, 7))
	empty.Merge(of(0))
	same(t, "with a zero", &empty, of(0, 5, 7))
}

func TestSubtract(t *testing.T) {
	for _, c := range []struct {
		name        string
		before, new []float64
		min, max    float64 // exact ones, or NaN: a bucket's bound
	}{
		{"nothing before", nil, []float64{1, 2}, 1, 2},
		{"nothing new", []float64{1, 2}, nil, 0, 0},
		{"both ends moved", []float64{3}, []float64{1, 9}, 1, 9},
		{"inside", []float64{1, 9}, []float64{3, 4}, math.NaN(), math.NaN()},
		{"zeros stay behind", []float64{0, 0, 5}, []float64{3}, math.NaN(), math.NaN()},
		{"zeros come", []float64{5}, []float64{0, 7}, 0, 7},
		{"only zeros come", []float64{5}, []float64{0}, 0, 0},
		{"same bucket", []float64{5}, []float64{5}, 5, 5},
	} {
		h := of(c.before...)
		before := h.Clone()
		for _, v := range c.new {
			h.Record(v)
		}
		h.Subtract(before)
		want := of(c.new...)
		if got, want := h.Buckets(Scale), want.Buckets(Scale); got.Offset != want.Offset || got.Zero != want.Zero || !slices.Equal(got.Counts, want.Counts) {
			t.Errorf("%s: buckets %+v, want %+v", c.name, got, want)
		}
		if h.Count() != uint64(len(c.new)) || math.Abs(h.Sum()-want.Sum()) > 1e-9 {
			t.Errorf("%s: count %d sum %v, want %d %v", c.name, h.Count(), h.Sum(), len(c.new), want.Sum())
		}
		if math.IsNaN(c.min) {
			c.min, c.max = lower(slot(want.Min())), upper(slot(want.Max()))
		}
		if h.Min() != c.min || h.Max() != c.max {
			t.Errorf("%s: min %v max %v, want %v %v", c.name, h.Min(), h.Max(), c.min, c.max)
		}
	}
}

func TestSubtractWhatIsNoEarlierState(t *testing.T) {
	h := of(1, 2, 2)
	h.Subtract(of(0, 0, 2, 3, 3, 1000))
	same(t, "remainder", h, &Histogram{
		low: of(1, 2).low, lo: of(1, 2).lo, count: 2, sum: 0, min: 1, max: 2,
	})
	if _, err := h.AppendBinary(nil); err != nil {
		t.Error(err)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	h := of(1, 2)
	c := h.Clone()
	h.Record(1)
	h.Record(50)
	same(t, "clone", c, of(1, 2))
	c.Record(1)
	same(t, "original", h, of(1, 2, 1, 50))
}

func TestResetKeepsMemory(t *testing.T) {
	h := of(0, 1, 2, 1000)
	h.Reset()
	same(t, "after Reset", h, &Histogram{})
	if n := testing.AllocsPerRun(100, func() { h.Reset(); h.Record(1); h.Record(1000) }); n != 0 {
		t.Errorf("%v allocations after Reset, want 0", n)
	}
	same(t, "used again", h, of(1, 1000))
}

func TestMemoryIsBounded(t *testing.T) {
	h := of(1)
	for _, v := range []float64{math.Inf(1), 1e-300, math.Nextafter(MinValue, 1), 1e9, 1e-9, MaxValue} {
		h.Record(v)
	}
	if len(h.low) > slots {
		t.Errorf("%d buckets, want at most %d", len(h.low), slots)
	}
	grown := 0
	var walk Histogram
	for v := 1e-6; v < 100; v *= 1.001 {
		before := len(walk.low)
		walk.Record(v)
		if len(walk.low) != before {
			grown++
		}
	}
	if grown > 20 {
		t.Errorf("a walk over %d buckets grew the window %d times, want logarithmically many", len(walk.low), grown)
	}
}

func TestCountsBeyond32Bits(t *testing.T) {
	h := of(0.05, 0.06)
	for range 40 {
		h.Merge(h)
	}
	if got, want := h.Count(), uint64(2)<<40; got != want {
		t.Errorf("count %d, want %d", got, want)
	}
	if got, want := h.CountAtMost(0.055), uint64(1)<<40; got != want {
		t.Errorf("at most 0.055: %d, want %d", got, want)
	}
	if got := h.Quantile(0.75); math.Abs(got/0.06-1) > 0.003 {
		t.Errorf("upper quartile %v, want 0.06", got)
	}
}

func TestBucketsDownscaleExactly(t *testing.T) {
	var h Histogram
	r := rand.New(rand.NewPCG(5, 6))
	values := make([]float64, 5_000)
	for i := range values {
		values[i] = math.Exp(3 * r.NormFloat64())
		h.Record(values[i])
	}
	h.Record(0)
	for scale := minScale; scale <= Scale; scale++ {
		// Counted by hand: i at scale s is i at scale 8, halved downwards 8-s times.
		want := map[int]uint64{}
		for _, v := range values {
			i := index(v)
			for range Scale - scale {
				i = int(math.Floor(float64(i) / 2))
			}
			want[i]++
		}
		b := h.Buckets(scale)
		if b.Scale != scale || b.Zero != 1 || b.Counts[0] == 0 || b.Counts[len(b.Counts)-1] == 0 {
			t.Errorf("scale %d: scale %d, zero %d, ends %d %d", scale, b.Scale, b.Zero, b.Counts[0], b.Counts[len(b.Counts)-1])
		}
		for k, n := range b.Counts {
			if n != want[b.Offset+k] {
				t.Fatalf("scale %d: bucket %d has %d, want %d", scale, b.Offset+k, n, want[b.Offset+k])
			}
			delete(want, b.Offset+k)
		}
		if len(want) > 0 {
			t.Errorf("scale %d: not in the buckets: %v", scale, want)
		}
	}
}

func TestBucketsOfKnownValues(t *testing.T) {
	// At scale 0 the buckets are (1,2], (2,4], (4,8] with indices 0, 1, 2; 1 itself is in (0.5,1].
	b := of(1, 1.5, 2, 3, 8, 8.1).Buckets(0)
	if b.Offset != -1 || !slices.Equal(b.Counts, []uint64{1, 2, 1, 1, 1}) {
		t.Errorf("buckets %+v", b)
	}
	for in, want := range map[int]int{9: 8, 20: 8, -10: -10, -11: -10, math.MinInt: -10, math.MaxInt: 8} {
		if got := of(1).Buckets(in).Scale; got != want {
			t.Errorf("Buckets(%d) is at scale %d, want %d", in, got, want)
		}
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	values := lognormal(1000, 0.5, 1)
	h := of(values...)
	if n := testing.AllocsPerRun(10, func() {
		for _, v := range values {
			h.Record(v)
		}
	}); n != 0 {
		t.Errorf("%v allocations for 1000 values, want 0", n)
	}
}
