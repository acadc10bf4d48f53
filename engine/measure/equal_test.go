package measure

import (
	"math"
	"testing"
)

// equalTotals compares everything but the sums of the histograms, which depend on the order of addition.
func equalTotals(t *testing.T, what string, got, want *Totals) {
	t.Helper()
	got.pairs(want, func(g, w *histogram) {
		if g.Count() != w.Count() || g.Min() != w.Min() || g.Max() != w.Max() || math.Abs(g.Sum()-w.Sum()) > 1e-9*w.Sum() {
			t.Errorf("%s: histogram of %d from %v to %v, sum %v, want %d from %v to %v, sum %v", what,
				g.Count(), g.Min(), g.Max(), g.Sum(), w.Count(), w.Min(), w.Max(), w.Sum())
		}
		for q := 0.05; q < 1; q += 0.05 {
			if g.Quantile(q) != w.Quantile(q) {
				t.Errorf("%s: quantile %v is %v, want %v", what, q, g.Quantile(q), w.Quantile(q))
			}
		}
	})
	if g, w := got.Sum(&Names{}, nil), want.Sum(&Names{}, nil); g.ByOutcome != w.ByOutcome || g.BytesSent != w.BytesSent || g.BytesReceived != w.BytesReceived {
		t.Errorf("%s: %v, %d and %d bytes, want %v, %d and %d bytes", what, g.ByOutcome, g.BytesSent, g.BytesReceived, w.ByOutcome, w.BytesSent, w.BytesReceived)
	}
	if got.RequestBooks() != want.RequestBooks() || got.IterationBooks() != want.IterationBooks() {
		t.Errorf("%s: books %+v %+v, want %+v %+v", what, got.RequestBooks(), got.IterationBooks(), want.RequestBooks(), want.IterationBooks())
	}
	for i := range want.Classes {
		if got.Classes[i].Exceptions != want.Classes[i].Exceptions {
			t.Errorf("%s: %d exceptions, want %d", what, got.Classes[i].Exceptions, want.Classes[i].Exceptions)
		}
		if got.Classes[i].Exhausted != want.Classes[i].Exhausted {
			t.Errorf("%s: exhausted %v, want %v", what, got.Classes[i].Exhausted, want.Classes[i].Exhausted)
		}
	}
	for i := range want.Checks {
		if got.Checks[i] != want.Checks[i] {
			t.Errorf("%s: check %d is %+v, want %+v", what, i, got.Checks[i], want.Checks[i])
		}
	}
}
