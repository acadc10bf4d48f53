package hist_test

import (
	"fmt"

	"tidegauge/engine/hist"
)

func ExampleHistogram() {
	var h hist.Histogram
	for ms := 1; ms <= 1000; ms++ {
		h.Record(float64(ms) / 1000)
	}
	fmt.Printf("%d values, mean %.3f s\n", h.Count(), h.Mean())
	fmt.Printf("p50 %.3f s, p99 %.3f s, max %.3f s\n", h.Quantile(0.5), h.Quantile(0.99), h.Max())
	fmt.Printf("%d within 250 ms\n", h.CountAtMost(0.25))
	// Output:
	// 1000 values, mean 0.500 s
	// p50 0.500 s, p99 0.990 s, max 1.000 s
	// 250 within 250 ms
}

// What came in an interval is the state at its end without the state at its start.
func ExampleHistogram_Subtract() {
	var h hist.Histogram
	h.Record(0.010)
	h.Record(0.020)
	before := h.Clone()
	h.Record(0.300)
	h.Subtract(before)
	fmt.Println(h.Count(), h.Max())
	// Output: 1 0.3
}

// A coarser scale for a store that wants fewer buckets: at scale 0 each is an octave.
func ExampleHistogram_Buckets() {
	var h hist.Histogram
	for _, v := range []float64{0, 0.75, 1.5, 2, 3} {
		h.Record(v)
	}
	b := h.Buckets(0)
	fmt.Println("zero:", b.Zero)
	for k, n := range b.Counts {
		fmt.Printf("2^%d to 2^%d: %d\n", b.Offset+k, b.Offset+k+1, n)
	}
	// Output:
	// zero: 1
	// 2^-1 to 2^0: 1
	// 2^0 to 2^1: 2
	// 2^1 to 2^2: 1
}
