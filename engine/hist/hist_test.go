package hist

import (
	"iter"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// of returns a histogram of the values.
func of(values ...float64) *Histogram {
	var h Histogram
	for _, v := range values {
		h.Record(v)
	}
	return &h
}

// index returns OpenTelemetry's index of v at scale 8.
func index(v float64) int { return slot(v) - bias }

// octave is 2^(k/256) for every k below 256, to 200 bits.
var octave = sync.OnceValue(func() []*big.Float {
	var all []*big.Float
	for k := range perOctave {
		x, root := big.NewFloat(1).SetPrec(200), big.NewFloat(2).SetPrec(200)
		for bit := Scale - 1; bit >= 0; bit-- {
			root.Sqrt(root)
			if k&(1<<bit) != 0 {
				x.Mul(x, root)
			}
		}
		all = append(all, x)
	}
	return all
})

// boundary returns 2^(i/256) to 200 bits.
func boundary(i int) *big.Float {
	return new(big.Float).SetMantExp(octave()[i&(perOctave-1)], i>>Scale)
}

func TestIndexIsExactOnEveryBoundary(t *testing.T) {
	for i := -bias + 1; i < bias; i++ {
		// The float64s on both sides of the boundary between bucket i-1 and bucket i, and the boundary itself if it is one.
		exact := boundary(i)
		at, _ := exact.Float64()
		for _, v := range []float64{math.Nextafter(at, 0), at, math.Nextafter(at, math.Inf(1))} {
			want := i - 1
			if big.NewFloat(v).Cmp(exact) > 0 {
				want = i
			}
			if got := index(v); got != want {
				t.Fatalf("index(%b) = %d, want %d (boundary %d is %s)", v, got, want, i, exact.Text('g', 30))
			}
		}
	}
}

func TestIndexOfWholePowersOfTwo(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want int
	}{
		{1, -1}, {math.Nextafter(1, 2), 0}, {2, 255}, {4, 511}, {0.5, -257},
		{math.Nextafter(MinValue, 1), -bias}, {MaxValue, bias - 1},
	} {
		if got := index(c.v); got != c.want {
			t.Errorf("index(%v) = %d, want %d", c.v, got, c.want)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add(1.0)
	f.Add(0.05)
	f.Add(math.Pi * 1e-9)
	f.Fuzz(func(t *testing.T, v float64) {
		if !(v > MinValue && v <= MaxValue) {
			return
		}
		i, x := index(v), big.NewFloat(v)
		if x.Cmp(boundary(i)) <= 0 || x.Cmp(boundary(i+1)) > 0 {
			t.Errorf("%b is not in bucket %d", v, i)
		}
	})
}

func TestBoundsOfSlotsMeet(t *testing.T) {
	for s := 1; s < slots; s++ {
		lo, hi := lower(s), upper(s)
		if slot(lo) != s || slot(hi) != s {
			t.Fatalf("slot %d: its bounds %b and %b lie in %d and %d", s, lo, hi, slot(lo), slot(hi))
		}
		if width := hi/lo - 1; width > 0.0027113 {
			t.Fatalf("slot %d is %v wide", s, width)
		}
	}
}

func TestRecordValuesOutsideTheRange(t *testing.T) {
	for _, c := range []struct {
		name                 string
		v                    float64
		zero                 uint64
		sum, least, greatest float64
	}{
		{"zero", 0, 1, 0, 0, 0},
		{"negative zero", math.Copysign(0, -1), 1, 0, 0, 0},
		{"negative", -3, 1, 0, 0, 0},
		{"not a number", math.NaN(), 1, 0, 0, 0},
		{"minus infinity", math.Inf(-1), 1, 0, 0, 0},
		{"smallest", math.SmallestNonzeroFloat64, 1, 0, 0, 0},
		{"at the lower end", MinValue, 1, 0, 0, 0},
		{"at the upper end", MaxValue, 0, MaxValue, MaxValue, MaxValue},
		{"above the upper end", 2 * MaxValue, 0, MaxValue, MaxValue, MaxValue},
		{"infinity", math.Inf(1), 0, MaxValue, MaxValue, MaxValue},
	} {
		h := of(c.v)
		if h.Count() != 1 || h.Sum() != c.sum || h.Min() != c.least || h.Max() != c.greatest || h.Buckets(Scale).Zero != c.zero {
			t.Errorf("%s: count %d sum %v min %v max %v zero %d, want 1 %v %v %v %d", c.name,
				h.Count(), h.Sum(), h.Min(), h.Max(), h.Buckets(Scale).Zero, c.sum, c.least, c.greatest, c.zero)
		}
		if got := h.Quantile(0.5); got != c.greatest {
			t.Errorf("%s: median %v, want %v", c.name, got, c.greatest)
		}
	}
}

func TestEmpty(t *testing.T) {
	var h Histogram
	h.Merge(&Histogram{})
	h.Subtract(&Histogram{})
	h.Reset()
	for name, got := range map[string]float64{
		"count": float64(h.Count()), "sum": h.Sum(), "min": h.Min(), "max": h.Max(), "mean": h.Mean(),
		"median": h.Quantile(0.5), "at most": float64(h.CountAtMost(math.Inf(1))),
	} {
		if got != 0 {
			t.Errorf("%s = %v, want 0", name, got)
		}
	}
	if b := h.Buckets(Scale); b.Scale != Scale || b.Counts != nil || b.Zero != 0 || b.Offset != 0 {
		t.Errorf("buckets %+v", b)
	}
}

// shapes are the distributions that quantiles are tried on.
var shapes = []struct {
	name string
	draw func(r *rand.Rand) float64
}{
	{"constant", func(*rand.Rand) float64 { return 0.05 }},
	{"bimodal", func(r *rand.Rand) float64 {
		if r.Float64() < 0.9 {
			return 0.002 + 0.0005*r.Float64()
		}
		return 1.2 + 0.3*r.Float64()
	}},
	{"lognormal", func(r *rand.Rand) float64 { return 0.05 * math.Exp(0.8*r.NormFloat64()) }},
	{"pareto", func(r *rand.Rand) float64 { return 0.01 * math.Pow(1-r.Float64(), -1/1.2) }},
	{"whole milliseconds", func(r *rand.Rand) float64 { return float64(r.IntN(200)) / 1000 }},
}

func TestQuantileAgainstExactOrderStatistics(t *testing.T) {
	const limit = 0.003
	for _, s := range shapes {
		for _, n := range []int{1, 2, 3, 10, 1000, 100_000} {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			var h Histogram
			values := make([]float64, n)
			for i := range values {
				values[i] = s.draw(r)
				h.Record(values[i])
			}
			slices.Sort(values)
			for _, q := range []float64{0, 0.001, 0.01, 0.07, 0.25, 0.5, 0.66, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1} {
				// The rank in whole numbers: ceil(q·n) with q in ten-thousandths.
				rank := max((int(math.Round(q*10_000))*n+9_999)/10_000, 1)
				want := values[rank-1]
				if got := h.Quantile(q); math.Abs(got-want) > limit*want {
					t.Errorf("%s, n=%d: quantile %v = %v, want %v: wrong by %.2f%%", s.name, n, q, got, want, 100*math.Abs(got/want-1))
				}
			}
			if h.Min() != values[0] || h.Max() != values[n-1] {
				t.Errorf("%s, n=%d: min %v max %v, want %v %v", s.name, n, h.Min(), h.Max(), values[0], values[n-1])
			}
		}
	}
}

func TestQuantileOfOddArguments(t *testing.T) {
	h := of(1, 2, 3)
	for _, c := range []struct{ q, want float64 }{
		{math.NaN(), 1}, {math.Inf(-1), 1}, {-1, 1}, {0, 1}, {1e-300, 1}, {1, 3}, {2, 3}, {math.Inf(1), 3},
	} {
		if got := h.Quantile(c.q); got != c.want {
			t.Errorf("quantile %v = %v, want %v", c.q, got, c.want)
		}
	}
}

func TestQuantileRankOfExactProducts(t *testing.T) {
	var h Histogram
	for i := range 100 {
		h.Record(math.Pow(1.1, float64(i)))
	}
	for i := 1; i <= 100; i++ {
		want := math.Pow(1.1, float64(i-1))
		if got := h.Quantile(float64(i) / 100); math.Abs(got/want-1) > 0.003 {
			t.Errorf("quantile %d/100 = %v, want %v", i, got, want)
		}
	}
}

func TestCountAtMost(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h Histogram
	values := make([]float64, 0, 20_000)
	for range cap(values) {
		v := 0.05 * math.Exp(r.NormFloat64())
		if r.IntN(10) == 0 {
			v = 0
		}
		values = append(values, v)
		h.Record(v)
	}
	slices.Sort(values)
	exact := func(v float64) uint64 {
		n, _ := slices.BinarySearch(values, math.Nextafter(v, math.Inf(1)))
		return uint64(n)
	}
	for _, v := range []float64{0, MinValue, 1e-9, 0.001, 0.01, 0.0499, 0.05, 0.1, 1, 1e9, math.Inf(1)} {
		if got, low, high := h.CountAtMost(v), exact(v/1.00272), exact(v*1.00272); got < low || got > high {
			t.Errorf("at most %v: %d, want %d to %d", v, got, low, high)
		}
	}
	for s := slot(0.04); s < slot(0.06); s++ {
		if got, want := h.CountAtMost(upper(s)), exact(upper(s)); got != want {
			t.Errorf("at most %v, the bound of a bucket: %d, want %d", upper(s), got, want)
		}
	}
	for v, want := range map[float64]uint64{-1: 0, math.Inf(-1): 0} {
		if got := h.CountAtMost(v); got != want {
			t.Errorf("at most %v: %d, want %d", v, got, want)
		}
	}
	constant := of(0.5, 0.5, 0.5)
	if got := constant.CountAtMost(0.49999); got != 0 {
		t.Errorf("at most a little less than the only value: %d, want 0", got)
	}
	if got := constant.CountAtMost(0.5); got != 3 {
		t.Errorf("at most the only value: %d, want 3", got)
	}
	if got := constant.CountAtMost(math.NaN()); got != 0 {
		t.Errorf("at most NaN: %d, want 0", got)
	}
}

// TestRecordN: a value n times is the same as n records of it, also where they share a histogram with others.
func TestRecordN(t *testing.T) {
	for _, v := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), MinValue, MinValue / 2, MaxValue, 2 * MaxValue, 0.001, 0.5, 1, 77.7} {
		for _, n := range []uint64{0, 1, 2, 255, 256, 257, 1000} {
			one, many := of(0.25, 3), of(0.25, 3)
			for range n {
				one.Record(v)
			}
			many.RecordN(v, n)
			if one.Count() != many.Count() || one.Min() != many.Min() || one.Max() != many.Max() || math.Abs(one.Sum()-many.Sum()) > 1e-9*one.Sum() {
				t.Errorf("%v, %d times: count %d min %v max %v sum %v, want %d %v %v %v",
					v, n, many.Count(), many.Min(), many.Max(), many.Sum(), one.Count(), one.Min(), one.Max(), one.Sum())
			}
			if got, want := slices.Collect(pairs(many)), slices.Collect(pairs(one)); !slices.Equal(got, want) {
				t.Errorf("%v, %d times: buckets %v, want %v", v, n, got, want)
			}
		}
	}
	var h Histogram
	h.RecordN(0.1, 1<<40)
	h.RecordN(0.2, 1)
	if h.Count() != 1<<40+1 || h.Quantile(0.5) < 0.0997 || h.Quantile(0.5) > 0.1003 || h.Max() != 0.2 {
		t.Errorf("count %d, p50 %v, max %v", h.Count(), h.Quantile(0.5), h.Max())
	}
}

// pairs are the buckets of a histogram, with what is in them.
func pairs(h *Histogram) iter.Seq[[2]uint64] {
	return func(yield func([2]uint64) bool) {
		for slot, n := range h.all() {
			if !yield([2]uint64{uint64(slot), n}) {
				return
			}
		}
	}
}
