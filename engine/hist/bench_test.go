package hist

import (
	"math"
	"math/rand/v2"
	"testing"
)

// lognormal returns n values around a median of 50 ms.
func lognormal(n int, sigma float64, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float64, n)
	for i := range v {
		v[i] = 0.05 * math.Exp(sigma*r.NormFloat64())
	}
	return v
}

func BenchmarkRecord(b *testing.B) {
	values := lognormal(1<<12, 0.5, 1)
	var h Histogram
	for _, v := range values {
		h.Record(v)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		h.Record(values[i&(1<<12-1)])
		i++
	}
}

func BenchmarkMerge(b *testing.B) {
	var h, o Histogram
	for _, v := range lognormal(1<<16, 0.5, 1) {
		o.Record(v)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Merge(&o)
	}
}

func BenchmarkQuantile(b *testing.B) {
	var h Histogram
	for _, v := range lognormal(1<<16, 0.5, 1) {
		h.Record(v)
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Quantile(0.95)
	}
}
