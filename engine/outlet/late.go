package outlet

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"tidegauge/engine/store"
)

const (
	maxLate = 50_000 // samples that turned up late and wait in memory

	// Why samples that turned up late are lost.
	lateAndMerged = "a histogram turned up late: what it counted is in the sample after it, which was sent before"
)

var lateAndMany = fmt.Sprintf("they turned up late, when %d such samples were waiting already", maxLate)

// takeLate enters what turned up behind what was counted or read: as produced, and the latter to be sent.
func (o *Outlet) takeLate() {
	if o.o.Late == nil {
		return
	}
	late := o.o.Late.Late()
	if o.o.Markers {
		late.Dropped += late.DroppedMarkers
		late.Uncounted += late.UncountedMarkers
	}
	produced, merged, before := late.Dropped+late.Uncounted, uint64(0), len(o.late)
	for i := range late.Points {
		s := Sample{Point: late.Points[i]}
		if s.Stale() && !o.o.Markers {
			continue
		}
		produced++
		if o.o.Before && s.Histogram != nil {
			if o.before[s.Series.Key].at > s.Time {
				merged++
				continue
			}
			s.Before = o.remember(&s.Point)
		}
		if len(o.late) == maxLate {
			late.Dropped++
			continue
		}
		o.late = append(o.late, s)
	}
	if produced == 0 {
		return
	}
	if len(o.late) > before {
		slices.SortStableFunc(o.late, func(a, b Sample) int { return cmp.Compare(a.Time, b.Time) })
	}
	o.update(func(s *state) { s.Produced += produced })
	if len(o.late) > before && len(o.behind()) > 0 { // nothing but the file leads to them
		o.save()
	}
	if merged > 0 {
		o.lose(merged, lateAndMerged)
	}
	if late.Dropped > 0 {
		o.lose(late.Dropped, lateAndMany)
	}
}

// sendLate sends what turned up late. The cursor stays where it is.
func (o *Outlet) sendLate(ctx context.Context) error {
	some := len(o.late) > 0
	for len(o.late) > 0 {
		n := batchLength(o.late, o.o.MaxBatch)
		batch, left := slices.Clone(o.late[:n]), divisions // more may turn up meanwhile
		o.late = slices.Delete(o.late, 0, n)
		if err := o.send(ctx, batch, &left); err != nil {
			o.late = append(batch, o.late...)
			return err
		}
	}
	if some {
		o.save()
	}
	return nil
}

// behind returns the times of the samples, by series, that wait and that a later process would not find by reading on from
// the cursor.
func (o *Outlet) behind() map[string][]int64 {
	var times map[string][]int64
	for i := range o.late {
		if s := &o.late[i]; s.Time <= o.state.Cursor {
			if times == nil {
				times = map[string][]int64{}
			}
			times[s.Series.Key] = append(times[s.Series.Key], s.Time)
		}
	}
	return times
}

// recall reads up to the cursor, and takes up from there what waits behind it.
func (o *Outlet) recall(ctx context.Context) error {
	cursor, behind := o.state.Cursor, o.state.Behind
	from := cursor
	for _, times := range behind {
		from = min(from, slices.Min(times)-1)
	}
	if o.o.Before && len(behind) > 0 {
		from -= remember
		clear(o.before)
	}
	var late []Sample
	err := o.o.Source.Read(ctx, from, cursor, func(p store.Point) error {
		s := Sample{Point: p}
		if o.o.Before {
			s.Before = o.remember(&p)
		}
		if slices.Contains(behind[p.Series.Key], p.Time) {
			late = append(late, s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	o.filled = o.o.Before && len(behind) > 0
	slices.SortStableFunc(late, func(a, b Sample) int { return cmp.Compare(a.Time, b.Time) })
	o.late = late
	return nil
}
