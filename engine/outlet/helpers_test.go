package outlet

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tidegauge/engine/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a Source in memory.
type memory struct {
	mu     sync.Mutex
	series []*store.Series
	points map[*store.Series][]store.Point
	broken error
}

func (m *memory) put(name string, at time.Time, v float64) { m.add(name, at, v, nil) }

func (m *memory) add(name string, at time.Time, v float64, h *store.Histogram) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.series, func(s *store.Series) bool { return s.Key == name })
	if i < 0 {
		i = len(m.series)
		m.series = append(m.series, &store.Series{Labels: []store.Label{{Name: "__name__", Value: name}}, Key: name})
	}
	s := m.series[i]
	if m.points == nil {
		m.points = map[*store.Series][]store.Point{}
	}
	m.points[s] = append(m.points[s], store.Point{Series: s, Time: at.UnixMilli(), Value: v, Histogram: h})
}

func (m *memory) Read(_ context.Context, from, to int64, use func(store.Point) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	for _, s := range m.series {
		for _, p := range m.points[s] {
			if p.Time > from && p.Time <= to {
				if err := use(p); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (m *memory) Count(ctx context.Context, from, to int64) (samples, markers uint64, err error) {
	err = m.Read(ctx, from, to, func(p store.Point) error {
		if p.Stale() {
			markers++
		} else {
			samples++
		}
		return nil
	})
	return samples, markers, err
}

// receiver is a Writer that behaves like Prometheus: all of a batch or nothing, no sample before the latest of its series,
// the latest once more without complaint.
type receiver struct {
	mu      sync.Mutex
	got     map[string][]int64
	batches int
	answer  func(n int, samples []Sample) error // of the n-th write, from 1; nil takes it
	after   func(n int) error                   // an error instead of the answer, when the samples are already in
}

func (r *receiver) Write(ctx context.Context, samples []Sample) error {
	r.mu.Lock()
	r.batches++
	n := r.batches
	r.mu.Unlock()
	if r.answer != nil {
		err := r.answer(n, samples)
		if errors.Is(err, errHang) {
			<-ctx.Done()
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.got == nil {
		r.got = map[string][]int64{}
	}
	for _, s := range samples {
		if have := r.got[s.Series.Key]; len(have) > 0 && have[len(have)-1] > s.Time {
			return &Error{Reaction: Rejected, Err: errors.New("out of order sample")}
		}
	}
	for _, s := range samples {
		if have := r.got[s.Series.Key]; len(have) == 0 || have[len(have)-1] < s.Time {
			r.got[s.Series.Key] = append(have, s.Time)
		}
	}
	if r.after != nil {
		return r.after(n)
	}
	return nil
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, list := range r.got {
		n += len(list)
	}
	return n
}

var errHang = errors.New("hang")

type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) note(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, text)
}

func open(t *testing.T, o Options) *Outlet {
	t.Helper()
	if o.File == "" {
		o.File = filepath.Join(t.TempDir(), "cursor.json")
	}
	o.Name = "test"
	out, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// during runs an outlet while do runs.
func during(t *testing.T, o *Outlet, do func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	do()
	cancel()
	running.Wait()
}

// feed puts one sample a second in each of two series.
func feed(m *memory, seconds int) {
	for range seconds {
		time.Sleep(time.Second) // in a bubble
		m.put("a", time.Now(), 1)
		m.put("b", time.Now(), 2)
	}
}

func wantBooks(t *testing.T, got Books, want Books) {
	t.Helper()
	if got.Produced != want.Produced || got.Sent != want.Sent || got.Waiting != want.Waiting || got.Lost != want.Lost || !got.Balanced {
		t.Errorf("books: %d produced = %d sent + %d waiting + %d lost, balanced %v; want %d = %d + %d + %d",
			got.Produced, got.Sent, got.Waiting, got.Lost, got.Balanced, want.Produced, want.Sent, want.Waiting, want.Lost)
	}
}
