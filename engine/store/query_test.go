package store

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func query(t *testing.T, s *Store, expr string, when time.Time) []Sample {
	t.Helper()
	got, err := s.Query(t.Context(), expr, when)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// filled is a store with two series of memory and one histogram.
func filled(t testing.TB) *Store {
	t.Helper()
	s := open(t, Options{})
	put(t, s, at(0), 1e9, "__name__", "memory", "job", "a")
	put(t, s, at(0), 3e9, "__name__", "memory", "job", "b")
	putHistogram(t, s, at(0), 4, 5, "__name__", "latency", "job", "a")
	return s
}

func TestQuery(t *testing.T) {
	s := filled(t)
	tests := []struct {
		expr string
		want string // labels and values, or the error
	}{
		{"1 + 1", "[map[] 2]"},
		{"max(memory)", "[map[] 3e+09]"},
		{`memory{job="a"}`, "[map[__name__:memory job:a] 1e+09]"},
		{`histogram_count(latency)`, "[map[job:a] 5]"},
		{"nothing", ""},
		{"latency", `error: {__name__="latency", job="a"} is a histogram: take histogram_quantile`},
		{"memory[5m]", "error: it gives a matrix: a vector or a scalar is needed"},
		{`"text"`, "error: it gives a string"},
		{"sum(", `error: PromQL "sum(", at offset 4`},
		{`label_replace(memory, "job", "c", "", "")`, "error: "}, // fails only while it is evaluated
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			samples, err := s.Query(t.Context(), tt.expr, at(time.Second))
			if want, failing := strings.CutPrefix(tt.want, "error: "); failing {
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", tt.expr)) {
					t.Errorf("got error %v, want one with the expression and %q", err, want)
				}
				return
			}
			var got []string
			for _, e := range samples {
				got = append(got, fmt.Sprintf("[%v %v]", e.Labels, e.Value))
			}
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	s := filled(t)
	put(t, s, at(0), math.NaN(), "__name__", "undefined")
	tests := []struct {
		expr        string
		left, right string
		held        bool
	}{
		{"memory < 2e9", "[1e+09 3e+09]", "[2e+09]", false},
		{"memory < 4e9", "[1e+09 3e+09]", "[4e+09]", true},
		{"(max(memory) >= (3e9))", "[3e+09]", "[3e+09]", true},
		{"2 * 1e9 > memory", "[1e+09 3e+09]", "[2e+09]", false},
		{"1e9 <= memory", "[1e+09 3e+09]", "[1e+09]", true},
		{"count(memory) == 2", "[2]", "[2]", true},
		{"count(memory) != bool 2", "[2]", "[2]", false},
		{`sum(memory) > scalar(memory{job="a"})`, "[4e+09]", "[1e+09]", true},
		{"nothing < 1", "[]", "[1]", false},
		{"undefined < 1", "[NaN]", "[1]", false},
		{"1 < bool 2", "[1]", "[2]", true},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			left, right, held, err := s.Compare(t.Context(), tt.expr, at(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprint(left) != tt.left || fmt.Sprint(right) != tt.right || held != tt.held {
				t.Errorf("got %v, %v, %v, want %s, %s, %v", left, right, held, tt.left, tt.right, tt.held)
			}
		})
	}
	if _, _, _, err := s.Compare(t.Context(), "latency > 1", at(time.Second)); err == nil || !strings.Contains(err.Error(), "is a histogram") {
		t.Errorf("a histogram: got %v", err)
	}
	if _, _, _, err := s.Compare(t.Context(), "max(memory)", at(time.Second)); err == nil {
		t.Error("no comparison, but no error")
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		expr   string
		offset int    // -1: correct
		reason string // of CheckComparison
	}{
		{"max(up) < 1", -1, ""},
		{"max(up) <", 9, "unexpected end of input"},
		{"max(upp{job='a)", 12, "unterminated"},
		{"", 0, "no expression found"},
		{"rate(x)", 5, "expected type range vector"},
		{"max(up)", 0, "not a comparison: write what is to be true"},
		{"(up < 1) or (up > 2)", 0, "not a comparison"},
		{"a < b", 4, "compares two vectors"},
		{"up + 1 > 1 and up < 2", 0, "not a comparison"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			err := CheckComparison(tt.expr)
			if tt.offset < 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var e *ExprError
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *ExprError", err)
			}
			if e.Offset() != tt.offset || !strings.Contains(e.Reason, tt.reason) {
				t.Errorf("got offset %d, %q, want %d, %q", e.Offset(), e.Reason, tt.offset, tt.reason)
			}
		})
	}
}

func FuzzCheckComparison(f *testing.F) {
	for _, s := range []string{"max(up) < 1", "a < b", "((1))", "x[5m] @ end() > 1", "{__name__=\"\xff\"} > 0", "-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, expr string) {
		var e *ExprError
		if err := CheckComparison(expr); err != nil && (!errors.As(err, &e) || e.Offset() < 0 || e.Offset() > len(expr)) {
			t.Errorf("%q: %v has no offset within it", expr, err)
		}
	})
}
