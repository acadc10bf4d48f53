package measure

import (
	"context"
	"testing"
	"time"

	"tidegauge/engine/protocol"
)

// An interval has one exemplar of each histogram and power of two, the slowest, however many requests were traced; the next
// interval begins without.
func TestExemplars(t *testing.T) {
	r := New(twoNames(), Options{Shards: 2})
	at := time.Now()
	observe := func(shard int, id byte, took, lateness time.Duration) {
		o := Observation{Outcome: protocol.OK, Intended: at, Sent: at.Add(lateness), Finished: at.Add(took)}
		if id > 0 {
			o.TraceID, o.SpanID = [16]byte{id}, [8]byte{id}
		}
		r.Shard(shard).StartRequest(0)
		r.Shard(shard).Observe(&o)
	}
	for i := range 1000 {
		observe(i, byte(1+i%200), time.Duration(600+i%200)*time.Millisecond, 0) // up to 1 s
	}
	observe(0, 201, 900*time.Millisecond, 700*time.Millisecond) // its service time is up to 0.25 s
	observe(1, 202, 3*time.Second, 0)
	observe(1, 0, 3900*time.Millisecond, 0) // in no trace
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var got []Exemplar
	if err := r.Run(ctx, at, sinkFunc(func(_ context.Context, s *Snapshot) error {
		got = append(got, s.Exemplars...)
		return nil
	})); err != nil {
		t.Fatal(err)
	}
	want := []struct {
		id      byte
		service bool
		value   float64
	}{{201, false, 0.9}, {202, false, 3}, {201, true, 0.2}, {200, true, 0.799}, {202, true, 3}}
	if len(got) != len(want) {
		t.Fatalf("%d exemplars, want %d: %+v", len(got), len(want), got)
	}
	for _, w := range want {
		found := false
		for _, e := range got {
			found = found || e.TraceID[0] == w.id && e.SpanID[0] == w.id && e.Service == w.service && near(e.Value, w.value)
		}
		if !found {
			t.Errorf("no exemplar %+v in %+v", w, got)
		}
	}
}
