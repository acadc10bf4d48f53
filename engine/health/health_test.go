package health

import (
	"math"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestReadOfThisProcess(t *testing.T) {
	s := NewSampler()
	a := s.Read()
	for i := 0; time.Since(a.Time) < 50*time.Millisecond || s.Read().CPU()-a.CPU() < 0.05; i++ {
		_ = make([]byte, 1<<16)
	}
	files := make([]*os.File, 10)
	for i := range files {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		files[i] = f
	}
	runtime.GC()
	b := s.Read()
	if u := b.Utilization(a); !(u > 0 && u < 2) {
		t.Errorf("utilization %g", u)
	}
	if b.Goroutines < 1 || b.MaxProcs < 1 || b.Processors > b.MaxProcs || b.OtherMemory < 1e5 {
		t.Errorf("%+v", b)
	}
	if runtime.GOOS == "linux" {
		if d := b.Files - a.Files; d != 10 {
			t.Errorf("%g more files, want 10", d)
		}
		if !(b.Resident > 1e6) || !(b.FileLimit >= b.Files) || math.IsNaN(b.MachineUtilization(a)) && b.Time.Sub(a.Time) > time.Second {
			t.Errorf("%+v", b)
		}
	}
	var pauses uint64
	for _, n := range b.GCPauses.Since(a.GCPauses).Counts {
		pauses += n
	}
	if pauses == 0 || b.GCSeconds < a.GCSeconds {
		t.Errorf("%d pauses after a collection, %g s", pauses, b.GCSeconds)
	}
}

func TestBuckets(t *testing.T) {
	b := Buckets{Bounds: []float64{math.Inf(-1), 0.001, 0.004, math.Inf(1)}, Counts: []uint64{9, 90, 1}}
	for i, want := range []float64{0.001, 0.002, 0.004} {
		if got := b.Middle(i); math.Abs(got-want) > 1e-12 {
			t.Errorf("middle of %d: %g, want %g", i, got, want)
		}
	}
	if q := b.Quantile(0.99); math.Abs(q-0.002) > 1e-12 {
		t.Errorf("p99 %g", q)
	}
	if q := b.Since(b).Quantile(0.99); q != 0 {
		t.Errorf("p99 of nothing %g", q)
	}
}

func BenchmarkRead(b *testing.B) {
	s := NewSampler()
	for b.Loop() {
		s.Read()
	}
}
