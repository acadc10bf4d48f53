package outlet

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/store"
)

// examples is an ExemplarSource.
type examples map[string][]int64 // times in milliseconds by series

func (x examples) Exemplars(_ context.Context, from, to int64, use func(store.Exemplar) error) error {
	for key, times := range x {
		for _, at := range times {
			if at > from && at <= to {
				if err := use(store.Exemplar{Series: &store.Series{Key: key}, Time: at}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// kept notes which exemplars came with which sample.
type kept struct{ got map[string][]int64 }

func (k *kept) Write(_ context.Context, samples []Sample) error {
	for _, s := range samples {
		for _, e := range s.Exemplars {
			key := fmt.Sprint(s.Series.Key, " ", s.Time)
			k.got[key] = append(k.got[key], e.Time)
		}
	}
	return nil
}

// Each exemplar comes with the first sample of its series at or after it, once.
func TestExemplarsComeWithTheirSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, x, k := &memory{}, examples{}, &kept{got: map[string][]int64{}}
		o := open(t, Options{Source: m, Exemplars: x, Writer: k, Settle: time.Second})
		begin := time.Now().Truncate(time.Second).Add(time.Second)
		ms := func(d time.Duration) int64 { return begin.Add(d).UnixMilli() }
		x["a"] = []int64{ms(100 * time.Millisecond), ms(time.Second), ms(1500 * time.Millisecond), ms(1700 * time.Millisecond), ms(20 * time.Second)}
		x["nobody"] = []int64{ms(time.Second)}
		during(t, o, func() {
			for i := range 5 {
				time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second)))
				m.put("a", time.Now(), 1)
				m.put("b", time.Now(), 1)
			}
			time.Sleep(3 * time.Second)
			o.Flush(t.Context(), time.Now())
		})
		want := map[string][]int64{
			fmt.Sprint("a ", ms(time.Second)):   {ms(100 * time.Millisecond), ms(time.Second)},
			fmt.Sprint("a ", ms(2*time.Second)): {ms(1500 * time.Millisecond), ms(1700 * time.Millisecond)},
		}
		if diff := cmp.Diff(want, k.got); diff != "" {
			t.Error(diff)
		}
	})
}
