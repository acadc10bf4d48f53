package report

import (
	"fmt"
	"maps"
	"slices"

	"tidegauge/engine/verdict"
)

// outlets writes what arrived in other stores.
func (r *Report) outlets(t *text) {
	if len(r.Outlets) == 0 {
		return
	}
	t.heading("Outlets", "samples, where nothing else is said")
	n := verdict.FormatCount
	for i := range r.Outlets {
		b := &r.Outlets[i]
		if b.Signal != "" && b.Produced == 0 && b.WaitingBefore == 0 && b.Lost == 0 && b.Errors == 0 && b.Balanced {
			continue // the plan traces nothing
		}
		produced := "produced"
		if b.Signal != "" {
			produced = b.Signal + " produced"
		}
		books := fmt.Sprintf("%s %s = %s sent + %s waiting + %s lost", n(b.Produced), produced, n(b.Sent), n(b.Waiting), n(b.Lost))
		if b.WaitingBefore > 0 {
			books = fmt.Sprintf("%s waiting before + %s", n(b.WaitingBefore), books)
		}
		st := dim
		switch {
		case !b.Balanced:
			st, books = red, books+", NOT BALANCED"
		case b.Lost > 0:
			st = red
		case b.Waiting > 0 && b.Signal == "":
			st, books = yellow, books+"; the next tidegauge run or serve with this outlet sends what is waiting"
		}
		t.paragraph("  "+Clean(b.Outlet)+"  ", st, books)
		if b.Errors > 0 {
			t.paragraph("    ", plain, fmt.Sprintf("%s, %s; last: %s", counted(b.Errors, "error", "errors"), counted(b.Retries, "retry", "retries"), b.LastError))
		}
		if b.Lost > 0 {
			for _, reason := range slices.Sorted(maps.Keys(b.LostBecause)) {
				t.paragraph("    "+n(b.LostBecause[reason])+" lost  ", red, reason)
			}
		}
	}
}
