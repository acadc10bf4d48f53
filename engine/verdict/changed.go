package verdict

import (
	"fmt"
	"sync"
	"time"
)

// live is what happens to a run from outside while it lasts.
type live struct {
	mu      sync.Mutex
	changed time.Time // when the load was first changed; zero: it was not
	planned part      // the part as the test has it, when that was cut short by the change
	cut     bool
	halted  string // why it was ended for the target's sake
}

// Changed tells the judge that somebody changes the load now: what is judged ends there, since what follows is another test
// than the plan's. Such a run does not pass, unless the part to be judged was over. Safe for concurrent use.
func (j *Judge) Changed(at time.Time) {
	j.live.mu.Lock()
	defer j.live.mu.Unlock()
	if j.live.changed.IsZero() {
		j.live.changed = at
	}
}

// Unchanged takes back what Changed said of a moment, when the change was not made after all. Safe for concurrent use.
func (j *Judge) Unchanged(at time.Time) {
	j.live.mu.Lock()
	defer j.live.mu.Unlock()
	if j.live.changed.Equal(at) && !j.live.cut {
		j.live.changed = time.Time{}
	}
}

// Halted tells the judge that the run is ended to spare the target, which fails it. Safe for concurrent use.
func (j *Judge) Halted(reason string) {
	j.live.mu.Lock()
	defer j.live.mu.Unlock()
	if j.live.halted == "" {
		j.live.halted = reason
	}
}

// cutPart ends the part where the load was changed, and reports whether it can still begin.
func (j *Judge) cutPart() bool {
	j.live.mu.Lock()
	defer j.live.mu.Unlock()
	if j.live.changed.IsZero() {
		return true
	}
	at := j.live.changed.Sub(j.start)
	if !j.live.cut && j.end == nil && (at < j.part.end || j.part.open) {
		j.live.cut, j.live.planned = true, j.part
		j.part.end, j.part.open = min(j.part.end, at), false
	}
	return !j.live.cut || at > j.live.planned.begin
}

// changed finds that the load was not the plan's where it was to be judged.
func (j *Judge) changed() *Finding {
	if !j.live.cut {
		return nil
	}
	at := FormatDuration(j.live.changed.Sub(j.start).Round(100 * time.Millisecond))
	f := &Finding{Outcome: Inconclusive, Code: CodeChanged, Message: fmt.Sprintf("the load was changed after %s: what is judged ends there, and is not the test of the plan", at)}
	if j.begin == nil {
		f.Message = fmt.Sprintf("the load was changed after %s, before the %s began, so that there is none to judge", at, j.part.name())
	}
	return f
}

// halted finds that the run was ended to spare the target.
func (j *Judge) halted() *Finding {
	if j.live.halted == "" {
		return nil
	}
	return &Finding{Outcome: Fail, Code: CodeHalted, Message: fmt.Sprintf(
		"the run was ended after %s, to spare the target: %s", FormatDuration(j.finalTime.Sub(j.start).Round(100*time.Millisecond)), j.live.halted)}
}
