package outlet

import (
	"context"

	"tidegauge/engine/store"
)

// maxLoose bounds how many exemplars wait for a sample of their series.
const maxLoose = 10_000

// addExemplars gives samples, all there are between two times, the exemplars of their series. One that comes after the last
// sample of its series waits for the next.
func (o *Outlet) addExemplars(ctx context.Context, samples []Sample, from, to int64) error {
	if o.o.Exemplars == nil {
		return nil
	}
	count := 0
	for key, list := range o.loose {
		if list[len(list)-1].Time < from-remember {
			delete(o.loose, key)
		}
		count += len(list)
	}
	err := o.o.Exemplars.Exemplars(ctx, from, to, func(e store.Exemplar) error {
		if count++; count <= maxLoose {
			o.loose[e.Series.Key] = append(o.loose[e.Series.Key], e)
		}
		return nil
	})
	if err != nil || len(o.loose) == 0 {
		return err
	}
	for i := range samples {
		s := &samples[i]
		list := o.loose[s.Series.Key]
		n := 0
		for n < len(list) && list[n].Time <= s.Time {
			n++
		}
		if n == 0 || s.Stale() {
			continue
		}
		s.Exemplars = list[:n:n]
		if n == len(list) {
			delete(o.loose, s.Series.Key)
		} else {
			o.loose[s.Series.Key] = list[n:]
		}
	}
	return nil
}
