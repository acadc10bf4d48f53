package queue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/robfig/cron/v3"
)

// Schedule starts a test of a plan again and again.
type Schedule struct {
	Name       string
	Plan, Test string // Test: as plan.Plan.Test
	Cron       Cron
	Jitter     time.Duration // each run comes up to so much later, by chance: daemons that are alike do not all begin at once
	CatchUp    bool          // moments that passed while nothing was there to start runs are made up for by one run
	Parameters map[string]string
	Labels     map[string]string
}

// Blackout is a window in which no run starts, and at whose begin a run is ended.
type Blackout struct {
	Cron Cron // when it begins
	For  time.Duration
}

// Cron is when something is due: five fields (minute, hour, day of the month, month, day of the week) or @hourly, @daily,
// @weekly, @monthly, @yearly, in a time zone. A moment that a change to summer time leaves out does not come; one that a
// change back brings twice comes once or, for every hour or more often, as the clock shows it.
type Cron struct {
	Text     string
	schedule *cron.SpecSchedule
}

// ParseCron reads the fields, in a time zone of the IANA database; empty: UTC.
func ParseCron(fields, zone string) (Cron, error) {
	if strings.Contains(fields, "=") { // the parser would take TZ=, and panics on some
		return Cron{}, fmt.Errorf("cron %q has no place for a time zone: that is time_zone", fields)
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return Cron{}, fmt.Errorf("time zone %q is not known, expected one as Europe/Berlin", zone)
	}
	s, err := cron.ParseStandard(fields)
	if err != nil {
		return Cron{}, fmt.Errorf("cron %q: %w, expected five fields such as 30 2 * * 1-5, or @daily", fields, err)
	}
	spec, ok := s.(*cron.SpecSchedule)
	if !ok {
		return Cron{}, fmt.Errorf("cron %q: @every counts from the start of the process, expected moments of the day such as */15 * * * *", fields)
	}
	spec.Location = location
	if s.Next(time.Unix(0, 0)).IsZero() {
		return Cron{}, fmt.Errorf("cron %q names a day that never comes", fields)
	}
	return Cron{fields, spec}, nil
}

// Next returns the first moment after t.
func (c Cron) Next(t time.Time) time.Time {
	next := c.schedule.Next(t)
	for c.schedule.Hour&everyHour == 0 && repeated(next, c.schedule.Location) {
		next = c.schedule.Next(next)
	}
	return next
}

// everyHour is the bit by which the parser marks a field that is a star.
const everyHour = 1 << 63

// repeated reports whether the clock of a place shows the time of a moment for the second time, since it was put back.
func repeated(t time.Time, place *time.Location) bool {
	const around = 3 * time.Hour
	_, now := t.In(place).Zone()
	_, before := t.Add(-around).In(place).Zone()
	back := time.Duration(before-now) * time.Second
	if back <= 0 {
		return false
	}
	_, then := t.Add(-back).In(place).Zone()
	return then == before
}

// active reports whether the window is open at t, and until when.
func (b *Blackout) active(t time.Time) (until time.Time, ok bool) {
	begin := b.Cron.Next(t.Add(-b.For))
	return begin.Add(b.For), !begin.After(t)
}

// late is how much later than planned a run may be started; what is later was missed.
const late = time.Minute

// checkEvery is how long the schedule sleeps at most: timers do not see that somebody sets the clock, or that the machine slept.
const checkEvery = 30 * time.Second

// ScheduleState is how a schedule stands.
type ScheduleState struct {
	Name        string            `json:"name"`
	Plan        string            `json:"plan"`
	Test        string            `json:"test,omitempty"`
	Cron        string            `json:"cron"`
	Next        time.Time         `json:"next"` // with its jitter
	LastStart   time.Time         `json:"last_start,omitzero"`
	Outstanding time.Time         `json:"outstanding,omitzero"` // the first moment since the last start for which no run began though it should have
	Counts      map[string]uint64 `json:"counts"`               // since the daemon started, by what became of a moment
}

// What becomes of a moment of a schedule.
const (
	Started = "started"
	Missed  = "missed"   // nothing was there to start a run
	Overlap = "overlap"  // the run before was waiting or going on
	Blacked = "blackout" // not wanted then
	Refused = "refused"  // the plan is broken, or not allowed
)

// timetable is a schedule and how it stands. The queue's mutex guards it.
type timetable struct {
	Schedule
	due, at     time.Time // the next moment, and that with jitter
	last        time.Time // the latest moment that was dealt with
	lastStart   time.Time
	outstanding time.Time
	counts      map[string]uint64
	job         *job // its latest
}

// advance goes on to the first moment after last.
func (t *timetable) advance() {
	t.due = t.Cron.Next(t.last)
	t.at = t.due
	if t.Jitter > 0 {
		t.at = t.at.Add(rand.N(t.Jitter))
	}
}

// saved is what a timetable leaves for the next process.
type saved struct {
	Last        time.Time `json:"last"`
	LastStart   time.Time `json:"last_start,omitzero"`
	Outstanding time.Time `json:"outstanding,omitzero"`
}

// loadState reads what the process before has left. A file that cannot be read is as none.
func loadState(file string) (map[string]saved, error) {
	all := map[string]saved{}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || file == "" {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return map[string]saved{}, fmt.Errorf("reading when runs were last started: %w; no run is made up for", err)
	}
	return all, nil
}

func saveState(file string, all map[string]saved) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = renameio.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing when runs were last started: %w", err)
	}
	return nil
}
