// Package hist is a base-2 exponential histogram: record, merge, subtract, quantile, encode.
package hist

// Scale is the scale at which everything is recorded: buckets (b^i, b^(i+1)] with b = 2^(2^-8), 0.27% wide.
const Scale = 8

// Histogram counts positive values. The zero Histogram is empty and ready, and holds no buckets until it is used.
type Histogram struct{}

// Record adds one value (seconds, for a latency).
func (h *Histogram) Record(v float64) { panic("stub") }

// Count returns how many values were recorded.
func (h *Histogram) Count() uint64 { panic("stub") }

// Sum returns the sum of the values recorded.
func (h *Histogram) Sum() float64 { panic("stub") }

// Min returns the least value recorded, 0 if there is none.
func (h *Histogram) Min() float64 { panic("stub") }

// Max returns the greatest value recorded, 0 if there is none.
func (h *Histogram) Max() float64 { panic("stub") }

// Mean returns Sum/Count, 0 if there is none.
func (h *Histogram) Mean() float64 { panic("stub") }

// Quantile returns the q-quantile (0..1), 0 if the histogram is empty.
func (h *Histogram) Quantile(q float64) float64 { panic("stub") }

// CountAtMost returns how many of the values are at most v, to the width of one bucket.
func (h *Histogram) CountAtMost(v float64) uint64 { panic("stub") }

// Merge adds o's values to h. o is not changed.
func (h *Histogram) Merge(o *Histogram) { panic("stub") }

// Subtract takes an earlier state o of the same histogram away from h: what is left is what came since.
func (h *Histogram) Subtract(o *Histogram) { panic("stub") }

// Clone returns a copy that shares nothing with h.
func (h *Histogram) Clone() *Histogram { panic("stub") }

// Reset empties h and keeps its memory.
func (h *Histogram) Reset() { panic("stub") }

// Buckets is a histogram's content at some scale, in OpenTelemetry's terms: Counts[k] values lie in
// (b^(Offset+k), b^(Offset+k+1)], b = 2^(2^-Scale).
type Buckets struct {
	Scale  int
	Offset int
	Counts []uint64
	Zero   uint64 // values of 0 (or below what a latency can be)
}

// Buckets returns the content at a scale of at most Scale, exactly merged. The slice is the caller's.
func (h *Histogram) Buckets(scale int) Buckets { panic("stub") }

// AppendBinary appends a compact encoding of h (encoding.BinaryAppender).
func (h *Histogram) AppendBinary(b []byte) ([]byte, error) { panic("stub") }

// UnmarshalBinary sets h from what AppendBinary wrote; any other input is an error, never a panic.
func (h *Histogram) UnmarshalBinary(b []byte) error { panic("stub") }
