package store

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

func TestReadGivesEverySampleOfARange(t *testing.T) {
	s := open(t, Options{})
	for i := range 5 {
		put(t, s, at(time.Duration(i)*time.Second), float64(i), "__name__", "m", "a", "1")
		putHistogram(t, s, at(time.Duration(i)*time.Second), 1, uint64(i+1), "__name__", "h")
	}
	if err := s.EndSeries(t.Context(), at(5*time.Second), Label{Name: "a", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	type seen struct {
		Series string
		At     int64
		Value  float64
		Count  float64
		Stale  bool
	}
	var got []seen
	from, to := at(time.Second).UnixMilli(), at(5*time.Second).UnixMilli()
	err := s.Read(t.Context(), from, to, func(p Point) error {
		one := seen{Series: p.Series.Key, At: p.Time - at(0).UnixMilli(), Stale: p.Stale()}
		switch {
		case p.Histogram != nil:
			one.Count = p.Histogram.Count
			if want := []Bucket{{Index: 0, Count: one.Count}}; !cmp.Equal(p.Histogram.Positive, want) {
				t.Errorf("buckets %v, want %v", p.Histogram.Positive, want)
			}
		case !p.Stale():
			one.Value = p.Value
		}
		got = append(got, one)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []seen{
		{`{__name__="h"}`, 2000, 0, 3, false}, {`{__name__="h"}`, 3000, 0, 4, false}, {`{__name__="h"}`, 4000, 0, 5, false},
		{`{__name__="m", a="1"}`, 2000, 2, 0, false}, {`{__name__="m", a="1"}`, 3000, 3, 0, false}, {`{__name__="m", a="1"}`, 4000, 4, 0, false},
		{`{__name__="m", a="1"}`, 5000, 0, 0, true},
	}
	if got[0].Series != want[0].Series { // the order of series is not promised
		got = append(got[len(got)-3:], got[:len(got)-3]...)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	samples, markers, err := s.Count(t.Context(), from, to)
	if samples != 6 || markers != 1 || err != nil {
		t.Errorf("counted %d and %d markers, %v; want 6 and 1", samples, markers, err)
	}
	if err := s.Read(t.Context(), to, to, func(Point) error { return errors.New("nothing to read") }); err != nil {
		t.Error(err)
	}
	if err := s.Read(t.Context(), from, to, func(Point) error { return ErrTooMany }); !errors.Is(err, ErrTooMany) {
		t.Errorf("the error of use is %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Read(t.Context(), from, to, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Read of a closed store: %v", err)
	}
}

func TestAppendIsAllOrNothing(t *testing.T) {
	s := open(t, Options{})
	m := &Series{Labels: []Label{{"z", "1"}, {"__name__", "m"}}}
	when := time.Now()
	if err := s.Append(t.Context(), []Point{{Series: m, Time: when.UnixMilli(), Value: 7}}); err != nil {
		t.Fatal(err)
	}
	err := s.Append(t.Context(), []Point{
		{Series: m, Time: when.Add(time.Second).UnixMilli(), Value: 8},
		{Series: m, Time: when.UnixMilli(), Value: 9}, // another value for a moment that has one
	})
	if err == nil || !strings.Contains(err.Error(), "writing to the store") {
		t.Errorf("error %v", err)
	}
	got, err := s.Query(t.Context(), `m{z="1"}`, when.Add(time.Second))
	if err != nil || len(got) != 1 || got[0].Value != 7 {
		t.Errorf("%v, %v: want 7", got, err)
	}
}

// TestQuantileIsThatOfPromQL: the same interpolation.
func TestQuantileIsThatOfPromQL(t *testing.T) {
	s := open(t, Options{})
	h := &histogram.Histogram{
		Schema: 6, Count: 13, Sum: 40, ZeroThreshold: 1e-128, ZeroCount: 1,
		PositiveSpans:   []histogram.Span{{Offset: -320, Length: 2}, {Offset: 100, Length: 1}, {Offset: 700, Length: 1}},
		PositiveBuckets: []int64{3, 2, -4, 2}, // 3, 5, 1, 3
	}
	app := s.db.AppenderV2(t.Context())
	if _, err := app.Append(0, labels.FromStrings("__name__", "h"), 0, at(0).UnixMilli(), 0, h, nil, storage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	var mine *Histogram
	if err := s.Read(t.Context(), 0, math.MaxInt64, func(p Point) error { mine = p.Histogram; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"0.05", "0.1", "0.25", "0.5", "0.7", "0.9", "0.999", "1"} {
		got, err := s.Query(t.Context(), "histogram_quantile("+q+", h)", at(0))
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if v := mine.Quantile(number(t, q)); math.Abs(v-got[0].Value) > 1e-9*math.Abs(v)+1e-100 {
			t.Errorf("quantile %s is %v, PromQL says %v", q, v, got[0].Value)
		}
	}
	for exponent := -8; exponent <= 8; exponent++ {
		got, err := s.Query(t.Context(), fmt.Sprintf("histogram_count(h) * histogram_fraction(-Inf, %v, h)", math.Ldexp(1, exponent)), at(0))
		if err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
		if n := mine.AtMost(exponent); math.Abs(n-got[0].Value) > 1e-9 {
			t.Errorf("%v observations up to 2^%d, PromQL says %v", n, exponent, got[0].Value)
		}
	}
}

func TestSince(t *testing.T) {
	h := func(count float64, buckets ...Bucket) *Histogram {
		return &Histogram{Schema: 6, Count: count, Sum: count, Positive: buckets}
	}
	now := h(10, Bucket{1, 4}, Bucket{5, 6})
	tests := []struct {
		name    string
		earlier *Histogram
		want    *Histogram
	}{
		{"its beginning", nil, now},
		{"some", h(3, Bucket{1, 1}, Bucket{5, 2}), h(7, Bucket{1, 3}, Bucket{5, 4})},
		{"a new bucket", h(4, Bucket{1, 4}), h(6, Bucket{5, 6})},
		{"nothing", h(10, Bucket{1, 4}, Bucket{5, 6}), &Histogram{Schema: 6}},
		{"begun anew", h(12, Bucket{1, 6}, Bucket{5, 6}), now},
		{"begun anew with as many", h(5, Bucket{1, 5}), now},
		{"a bucket that is gone", h(5, Bucket{3, 5}), now},
		{"another schema", &Histogram{Schema: 5, Count: 1, Positive: []Bucket{{1, 1}}}, now},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, now.Since(tt.earlier)); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
	if d := cmp.Diff(h(10, Bucket{1, 4}, Bucket{5, 6}), now); d != "" {
		t.Errorf("Since changed its receiver: %s", d)
	}
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
