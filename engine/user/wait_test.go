package user_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/measure"
)

// TestNext: the moments at which iterations are due, from when the last one was due and when it ended.
func TestNext(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	for _, c := range []struct {
		name, wait         string
		intended, finished float64
		want               float64
	}{
		{"none", "", 0, 0.3, 0.3},
		{"constant", "wait: {constant: 2s}", 0, 0.3, 2.3},
		{"between equal bounds", "wait: {between: [2s, 2s]}", 0, 0.3, 2.3},
		{"pacing in time", "wait: {pacing: 2s}", 0, 0.3, 2},
		{"pacing late starts at once", "wait: {pacing: 2s}", 0, 2.5, 2.5},
		{"pacing does not catch up", "wait: {pacing: 2s}", 2.5, 2.6, 4.5},
		{"throughput", "wait: {throughput: 4/s}", 1, 1.1, 1.25},
		{"throughput late", "wait: {throughput: 4/s}", 1, 1.5, 1.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newRig(t, classesPlan(c.wait), answer(200, "")).session(0, 1)
			if got := s.Next(at(c.intended), at(c.finished)); !got.Equal(at(c.want)) {
				t.Errorf("the next iteration is due at %v, want %v s", got.Sub(at(0)), c.want)
			}
		})
	}
}

// TestWaitDistributions compares a thousand waits with what they are drawn from (Kolmogorov-Smirnov at 0.1%; the seed is
// fixed, so this passes or fails always).
func TestWaitDistributions(t *testing.T) {
	for _, c := range []struct {
		wait string
		cdf  func(seconds float64) float64
	}{
		{"wait: {between: [1s, 3s]}", func(x float64) float64 { return min(max((x-1)/2, 0), 1) }},
		{"wait: {exponential: 2s}", func(x float64) float64 { return 1 - math.Exp(-x/2) }},
	} {
		t.Run(c.wait, func(t *testing.T) {
			s := newRig(t, classesPlan(c.wait), answer(200, "")).session(0, 1)
			const n = 1000
			now := time.Unix(1000, 0)
			seen := make([]float64, n)
			for i := range seen {
				seen[i] = s.Next(now, now).Sub(now).Seconds()
			}
			distance := 0.0
			for _, x := range seen {
				below := 0
				for _, y := range seen {
					if y <= x {
						below++
					}
				}
				distance = max(distance, math.Abs(float64(below)/n-c.cdf(x)))
			}
			if limit := 1.95 / math.Sqrt(n); distance > limit {
				t.Errorf("the distance from the distribution is %.4f, want at most %.4f", distance, limit)
			}
		})
	}
}

// TestTaskWeights: tasks are picked by weight, and the same seed and number of a user picks the same ones.
func TestTaskWeights(t *testing.T) {
	const text = `
classes:
  A:
    tasks: [{get: /a, weight: 5}, {get: /b, weight: 2}, {get: /never, weight: 0}, {get: /c, weight: 3}]
`
	counts := func(user int) []uint64 {
		r := newRig(t, text, answer(200, ""))
		s := r.session(0, user)
		for range 1000 {
			now := time.Now()
			s.Iterate(t.Context(), now, now)
		}
		var started []uint64
		r.look(func(s *measure.Snapshot) {
			for i := range s.Total.Requests {
				started = append(started, s.Total.Requests[i].Books.Started)
			}
		})
		return started
	}
	first, again, other := counts(1), counts(1), counts(2)
	differ := false
	for i, share := range []float64{0.5, 0.2, 0.3} {
		if sigma := math.Sqrt(share * (1 - share) * 1000); math.Abs(float64(first[i])-share*1000) > 4*sigma {
			t.Errorf("task %d was picked %d times of 1000, want about %v", i, first[i], share*1000)
		}
		if first[i] != again[i] {
			t.Errorf("task %d was picked %d times, then %d times by the same user", i, first[i], again[i])
		}
		differ = differ || first[i] != other[i]
	}
	if !differ {
		t.Errorf("users 1 and 2 both picked %v", first)
	}
}

// TestPacedLoop runs a user as a closed model does and sees when its iterations start.
func TestPacedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := map[int]time.Duration{2: 2500 * time.Millisecond}
		var starts []time.Duration
		begin := time.Now()
		s := newRig(t, classesPlan("wait: {pacing: 1s}"), answer(200, "")).session(0, 1)
		due := begin
		for i := range 5 {
			time.Sleep(time.Until(due))
			starts = append(starts, time.Since(begin))
			s.Iterate(t.Context(), due, due)
			time.Sleep(100*time.Millisecond + slow[i])
			due = s.Next(due, time.Now())
		}
		want := []time.Duration{0, time.Second, 2 * time.Second, 4600 * time.Millisecond, 5600 * time.Millisecond}
		for i := range want {
			if starts[i] != want[i] {
				t.Fatalf("iterations started at %v, want %v", starts, want)
			}
		}
	})
}
