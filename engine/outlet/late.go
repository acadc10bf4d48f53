package outlet

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

const (
	maxLate = 50_000 // samples that turned up late and wait in memory

	// Why samples that turned up late are lost.
	lateAndForgotten = "they turned up late, and the process ended before they could be sent"
	lateAndMerged    = "a histogram turned up late: what it counted is in the sample after it, which was sent before"
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

// behind returns how many samples wait that a later process would not find by reading on from the cursor. The caller holds mu.
func (o *Outlet) behind() int {
	n := 0
	for i := range o.late {
		if o.late[i].Time <= o.state.Cursor {
			n++
		}
	}
	return n
}
