package store

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRange(t *testing.T) {
	s := open(t, Options{})
	for i := range 5 {
		put(t, s, at(time.Duration(i)*time.Second), float64(10*i), "__name__", "m", "a", "1")
		if i >= 3 {
			put(t, s, at(time.Duration(i)*time.Second), float64(i), "__name__", "m", "a", "2")
		}
		putHistogram(t, s, at(time.Duration(i)*time.Second), 1, uint64(i+1), "__name__", "h")
	}
	if err := s.EndSeries(t.Context(), at(5*time.Second), Label{Name: "a", Value: "1"}); err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	for name, c := range map[string]struct {
		expr     string
		from, to time.Duration
		step     time.Duration
		want     []Values
		err      string
	}{
		"every step, gaps as no numbers": {"m", time.Second, 6 * time.Second, time.Second, []Values{
			{map[string]string{"__name__": "m", "a": "1"}, []float64{10, 20, 30, 40, nan, nan}},
			{map[string]string{"__name__": "m", "a": "2"}, []float64{nan, nan, 3, 4, 4, 4}},
		}, ""},
		"one moment":               {`m{a="1"}`, 2 * time.Second, 2 * time.Second, time.Second, []Values{{map[string]string{"__name__": "m", "a": "1"}, []float64{20}}}, ""},
		"the last step is short":   {`sum(m{a="1"})`, 0, 3500 * time.Millisecond, 2 * time.Second, []Values{{map[string]string{}, []float64{0, 20}}}, ""},
		"histograms are no floats": {"h", 0, 4 * time.Second, time.Second, []Values{}, ""},
		"nothing of that name":     {"n", 0, 4 * time.Second, time.Second, []Values{}, ""},
		"not PromQL":               {"m{", 0, time.Second, time.Second, nil, `"m{"`},
		"ends before it begins":    {"m", time.Second, 0, time.Second, nil, "needs steps of a millisecond at least"},
		"no step":                  {"m", 0, time.Second, 0, nil, "needs steps of a millisecond at least"},
		"too many steps":           {"m", 0, 24 * time.Hour, time.Second, nil, "up to 11000 of them"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.Range(t.Context(), c.expr, at(c.from), at(c.to), c.step)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want an error with %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			byLabel := cmpopts.SortSlices(func(a, b Values) bool { return a.Labels["a"] < b.Labels["a"] })
			if diff := cmp.Diff(c.want, got, byLabel, cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
