package run

import (
	"fmt"
	"math"
	"testing"
	"time"

	"tidegauge/engine/plan"
)

func TestFileWarning(t *testing.T) {
	const warning = "%d users at once may need a connection each, but tidegauge may have only %d files open: raise the limit (ulimit -n)"
	for _, c := range []struct {
		users int
		limit uint64
		warn  bool
	}{{974, 1024, false}, {975, 1024, true}, {0, 50, false}, {0, 49, true}, {math.MaxInt, math.MaxUint64, false}} {
		want := ""
		if c.warn {
			want = fmt.Sprintf(warning, c.users, c.limit)
		}
		if got := fileWarning(c.users, c.limit); got != want {
			t.Errorf("%d users with a limit of %d: %q, want %q", c.users, c.limit, got, want)
		}
	}
	limit, ok := fileLimit()
	if !ok || limit > math.MaxInt32 {
		t.Skip("the limit is not known on this system, or there is none")
	}
	few, many := closedShape(stageOf(1, 1, time.Second)), plan.Shape{Model: plan.Open, MaxUsers: int(limit)}
	if got := FileWarning(&few); got != "" {
		t.Errorf("one user: %q", got)
	}
	if got := FileWarning(&many); got == "" {
		t.Errorf("%d users with a limit of %d: no warning", many.MaxUsers, limit)
	}
}
