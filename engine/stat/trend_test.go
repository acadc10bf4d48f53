package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func growing(n int, by float64) func(int) float64 {
	return func(i int) float64 { return 1 + by*float64(i)/float64(n) }
}

func filling(n int, by, tau float64) func(int) float64 {
	return func(i int) float64 { return 1 + by*(1-math.Exp(-float64(i)/float64(n)/tau)) }
}

func TestTrendFigures(t *testing.T) {
	const short, long = 240, 960 // minutes: 4 and 16 hours
	for _, c := range []struct {
		name      string
		n         int
		rho       float64
		f         func(int) float64
		low, high float64 // called a leak, in percent
		cover     float64 // of the interval, at least
	}{
		{"no growth, 4 h", short, 0.5, level, 0, 0.5, 94},
		{"no growth, 4 h", short, 0.9, level, 0, 1.5, 90},
		{"no growth, 16 h", long, 0.5, level, 0, 0.5, 94},
		{"no growth, 16 h", long, 0.9, level, 0, 0.6, 92},
		{"no growth, 16 h", long, 0.95, level, 0, 1.5, 90},
		{"+20%, 4 h", short, 0.5, growing(short, 0.2), 88, 100, 94},
		{"+40%, 4 h", short, 0.5, growing(short, 0.4), 99, 100, 94},
		{"+20%, 16 h", long, 0.9, growing(long, 0.2), 78, 100, 92},
		{"+40%, 16 h", long, 0.9, growing(long, 0.4), 96, 100, 92},
		{"cache of +30%, filled with a fifth of 16 h", long, 0.5, filling(long, 0.3, 0.2), 0, 2, 0},
		{"cache of +30%, filled with a third of 16 h", long, 0.5, filling(long, 0.3, 1.0/3), 0, 5, 0},
		{"cache of +30%, filled with a fifth of 16 h", long, 0.9, filling(long, 0.3, 0.2), 0, 8, 0},
	} {
		r := rand.New(rand.NewPCG(4, uint64(c.n)))
		const runs = 1000
		var leaks, others, covered float64
		for range runs {
			got := GrowthOf(TrendOptions{Interval: time.Minute}, noisy(r, c.n, c.rho, 0.03, c.f))
			switch got.Class {
			case Leak:
				leaks += 100.0 / runs
			case Growing:
				others += 100.0 / runs
			}
			// The noise is log-normal: its mean is above 1.
			if got.Interval.Contains((c.f(c.n) - c.f(0)) * 60 / float64(c.n) * math.Exp(0.03*0.03/2)) {
				covered += 100.0 / runs
			}
		}
		t.Logf("%s, autocorrelation %.2f: leak %.1f%%, growing %.1f%%, interval covers %.1f%%", c.name, c.rho, leaks, others, covered)
		if leaks < c.low || leaks > c.high || covered < c.cover {
			t.Errorf("%s, autocorrelation %.2f: leak %.1f%%, covers %.1f%%, want %.1f to %.1f%%, at least %.1f%%", c.name, c.rho, leaks, covered, c.low, c.high, c.cover)
		}
	}
}

func TestTrendOfCollectedMemory(t *testing.T) {
	// A collector gives back 40% each ten minutes; the leak is what it leaves.
	const n, runs = 960, 300
	r := rand.New(rand.NewPCG(5, 5))
	sawtooth := func(leak float64) func(int) float64 {
		return func(i int) float64 { return growing(n, leak)(i) * (1 + 0.4*float64(i*7%10)/10) }
	}
	for _, c := range []struct{ leak, low, high float64 }{{0, 0, 1}, {0.1, 45, 100}, {0.2, 80, 100}} {
		var leaks, seen float64
		for range runs {
			switch GrowthOf(TrendOptions{Interval: time.Minute, Least: true}, noisy(r, n, 0.5, 0.03, sawtooth(c.leak))).Class {
			case Leak:
				leaks += 100.0 / runs
				seen += 100.0 / runs
			case Growing:
				seen += 100.0 / runs
			}
		}
		t.Logf("+%.0f%%: leak %.1f%%, or growing %.1f%%", 100*c.leak, leaks, seen)
		if leaks < c.low || leaks > c.high || c.leak > 0 && seen < 82 {
			t.Errorf("+%.0f%%: %.1f%% called a leak, want %.0f to %.0f%%; %.1f%% seen to grow", 100*c.leak, leaks, c.low, c.high, seen)
		}
	}
}

func TestTrendToItsLimit(t *testing.T) {
	// 100 MB and 10 MB an hour: at the end of ten hours 200 MB, and 300 MB ten hours later.
	x := make([]float64, 600)
	r := rand.New(rand.NewPCG(6, 6))
	for i := range x {
		x[i] = 100e6 + 10e6*float64(i)/60 + 1e6*r.NormFloat64()
	}
	got := GrowthOf(TrendOptions{Interval: time.Minute, Limit: 300e6}, x)
	if got.Class != Leak || math.Abs(got.PerHour-10e6) > 0.3e6 || !got.Interval.Contains(10e6) {
		t.Errorf("%s, %v an hour in %+v, want a leak of 10e6", got.Class, got.PerHour, got.Interval)
	}
	if got.ToLimit.Low > 10*time.Hour || got.ToLimit.High < 10*time.Hour || got.ToLimit.High > 11*time.Hour {
		t.Errorf("to the limit %v, want 10 h inside of it", got.ToLimit)
	}
	if math.Abs(got.Current-200e6) > 2e6 || got.Start != 150*time.Minute {
		t.Errorf("stands at %v, judged from %v on, want 200e6 and 2h30m", got.Current, got.Start)
	}
	got = GrowthOf(TrendOptions{Interval: time.Minute, Limit: 150e6}, x)
	if got.ToLimit != (Range{}) || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "reached already") {
		t.Errorf("a limit that is behind: %v, warnings %q", got.ToLimit, got.Warnings)
	}
}

func TestTrendOfOddSeries(t *testing.T) {
	for name, x := range oddSeries() {
		got := GrowthOf(TrendOptions{Limit: 1000}, x)
		want, known := map[string]TrendClass{
			"zeros": Stable, "ones": Stable, "negative": Stable, "alternating": Stable, "huge steps": NotEnough,
		}[name], true
		if want == "" {
			want, known = NotEnough, name != "step"
		}
		if known && got.Class != want {
			t.Errorf("%s: %s (%s), want %s", name, got.Class, got.Reason, want)
		}
		if (got.Class == NotEnough || name == "ones") && len(got.Warnings) == 0 {
			t.Errorf("%s: %s without a warning", name, got.Class)
		}
		if got.Reason == "" {
			t.Errorf("%s: no reason", name)
		}
	}
}

func FuzzGrowthOf(f *testing.F) {
	f.Add([]byte(strings.Repeat("growth ", 20)), 0.5, true)
	f.Fuzz(func(t *testing.T, b []byte, limit float64, least bool) {
		x := floats(b)
		got := GrowthOf(TrendOptions{Limit: limit, Least: least}, x)
		if got.Class == NotEnough && len(got.Warnings) == 0 || got.ToLimit.Low < 0 || got.ToLimit.High < 0 {
			t.Fatalf("%+v of %v", got, x)
		}
		if got.Class == Leak && !(got.PerHour > 0) {
			t.Fatalf("a leak of %v an hour", got.PerHour)
		}
	})
}

func ExampleGrowthOf() {
	// Resident memory in bytes, once a minute for four hours.
	memory := make([]float64, 240)
	for i := range memory {
		memory[i] = 200e6 + 0.5e6*float64(i) + 1e6*math.Sin(float64(i))
	}
	t := GrowthOf(TrendOptions{Interval: time.Minute, Least: true, Limit: 500e6}, memory)
	fmt.Printf("%s: %.0f MB an hour, the limit in %v to %v\n", t.Class, t.PerHour/1e6,
		t.ToLimit.Low.Round(time.Minute), t.ToLimit.High.Round(time.Minute))
	// Output: leak: 30 MB an hour, the limit in 6h1m0s to 6h10m0s
}
