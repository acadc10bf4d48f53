package trace

import (
	"encoding/hex"
	"regexp"
	"testing"
	"time"

	"tidegauge/engine/event"
	"tidegauge/engine/protocol"
)

// list is a queue that takes so many.
type list struct {
	spans []Span
	room  int
}

func (l *list) Offer(s Span) bool {
	if len(l.spans) == l.room {
		return false
	}
	l.spans = append(l.spans, s)
	return true
}

// Of the first n iterations n times the ratio are sampled, give or take one, whatever n; by the seed always the same.
func TestDecideIsExact(t *testing.T) {
	const n = 20_000
	for _, ratio := range []float64{0, 0.0001, 0.01, 0.1, 1.0 / 3, 0.5, 0.9, 1} {
		for seed := range uint64(5) {
			first, second := New(Options{Seed: seed, Ratio: ratio}), New(Options{Seed: seed, Ratio: ratio})
			sampled := 0
			for i := range n {
				yes := first.decide()
				if yes {
					sampled++
				}
				if second.decide() != yes {
					t.Fatalf("ratio %g, seed %d: iteration %d is decided otherwise the second time", ratio, seed, i)
				}
				if want := float64(i+1) * ratio; float64(sampled) < want-1-1e-6 || float64(sampled) > want+1+1e-6 {
					t.Fatalf("ratio %g, seed %d: %d of the first %d iterations", ratio, seed, sampled, i+1)
				}
			}
		}
	}
}

// Which iterations they are depends on the seed, and on no rhythm: of every other one about half are sampled.
func TestDecideHasNoRhythm(t *testing.T) {
	one, other := New(Options{Seed: 1, Ratio: 0.1}), New(Options{Seed: 2, Ratio: 0.1})
	same, even, sampled := 0, 0, 0
	for i := range 100_000 {
		a, b := one.decide(), other.decide()
		if a {
			sampled++
			if b {
				same++
			}
			if i%10 == 0 {
				even++
			}
		}
	}
	if same > sampled/5 || even < sampled/20 || even > sampled/5 {
		t.Errorf("of %d sampled, %d are those of another seed, %d are at a multiple of ten", sampled, same, even)
	}
}

func TestHeader(t *testing.T) {
	form := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])$`)
	u := New(Options{Ratio: 0.5}).User()
	traces, spans, flags := map[string]bool{}, map[string]bool{}, map[string]int{}
	for range 1000 {
		u.Begin(false)
		first := ""
		for range 3 {
			m := form.FindStringSubmatch(u.Next())
			if m == nil {
				t.Fatalf("traceparent %q", u.Next())
			}
			if first != "" && m[1] != first {
				t.Fatalf("two traces in one iteration")
			}
			first = m[1]
			traces[m[1]], spans[m[2]] = true, true
			flags[m[3]]++
		}
	}
	if len(traces) != 1000 || len(spans) != 3000 || flags["1"] < 3*499 || flags["1"] > 3*501 {
		t.Errorf("%d traces, %d spans, flags %v", len(traces), len(spans), flags)
	}
}

func TestWhatIsExported(t *testing.T) {
	const slow = 100 * time.Millisecond
	for _, tt := range []struct {
		name      string
		ratio     float64
		outcome   protocol.Outcome
		took      time.Duration
		room      int
		spans     int
		reachable bool
	}{
		{"sampled", 1, protocol.OK, slow / 2, 9, 2, true},
		{"sampled, but the queue is full", 1, protocol.OK, slow / 2, 0, 0, true},
		{"not sampled", 0, protocol.OK, slow, 9, 0, false},
		{"slow", 0, protocol.OK, slow + 1, 9, 2, true},
		{"slow, but the queue is full", 0, protocol.OK, slow + 1, 0, 0, false},
		{"failed", 0, protocol.Timeout, 1, 9, 2, true},
		{"failed a check", 0, protocol.Check, 1, 9, 2, true},
		{"cut", 0, protocol.Cut, 2 * slow, 9, 0, false},
	} {
		q := &list{room: tt.room}
		u := New(Options{Run: &event.Run{ID: "r"}, Ratio: tt.ratio, Slow: slow, Queues: []Queue{q}}).User()
		u.Begin(true)
		header := u.Next()
		at := time.Now()
		traceID, spanID := u.Request(&Span{Outcome: tt.outcome, Intended: at, Start: at, End: at.Add(tt.took)})
		if got := traceID != [16]byte{}; got != tt.reachable {
			t.Errorf("%s: reachable %v, want %v", tt.name, got, tt.reachable)
		}
		if want := header[3:35] + header[36:52]; tt.reachable && hex.EncodeToString(traceID[:])+hex.EncodeToString(spanID[:]) != want {
			t.Errorf("%s: ids %x %x, the header is %s", tt.name, traceID, spanID, header)
		}
		u.End(&Span{Outcome: u.Outcome()})
		if len(q.spans) != tt.spans {
			t.Errorf("%s: %d spans, want %d", tt.name, len(q.spans), tt.spans)
			continue
		}
		if tt.spans == 0 {
			continue
		}
		request, iteration := q.spans[0], q.spans[1]
		if request.Parent != iteration.ID || request.Trace != iteration.Trace || iteration.Parent != [8]byte{} || iteration.Kind != Iteration ||
			iteration.Outcome != tt.outcome || request.Sampled != (tt.ratio == 1) || request.Run.ID != "r" || request.Slow != (tt.took > slow) {
			t.Errorf("%s: request %+v\niteration %+v", tt.name, request, iteration)
		}
	}
}
