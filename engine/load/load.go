// Package load turns a shape into moments.
package load

import (
	"time"

	"tidegauge/engine/plan"
)

// Arrivals answers when the n-th iteration of an open model is due, each in closed form.
type Arrivals struct{}

// NewArrivals returns the schedule of an open shape. The seed is for Poisson arrivals.
func NewArrivals(s *plan.Shape, seed uint64) *Arrivals { panic("stub") }

// Share returns the k-th (from 0) of n parts of the schedule: the union of the parts is the whole.
func (a *Arrivals) Share(k, n int) *Arrivals { panic("stub") }

// Next returns the offset from the start at which the next arrival is due, and false when there are no more.
// Not for concurrent use.
func (a *Arrivals) Next() (time.Duration, bool) { panic("stub") }

// Users answers how many users of a closed model run at a moment.
type Users struct{}

// NewUsers returns the schedule of a closed shape.
func NewUsers(s *plan.Shape) *Users { panic("stub") }

// At returns the number of users at an offset from the start.
func (u *Users) At(t time.Duration) int { panic("stub") }

// Next returns the next change of the number of users: when, and by how much (+1 or -1).
func (u *Users) Next() (at time.Duration, change int, ok bool) { panic("stub") }

// Share returns the k-th of n parts of the schedule.
func (u *Users) Share(k, n int) *Users { panic("stub") }

// Needs is what a shape will take, known before it runs.
type Needs struct {
	Duration   time.Duration
	PeakUsers  int     // closed: the most users at once; open: MaxUsers
	PeakRate   float64 // open: the highest arrival rate, per second
	Iterations uint64  // open: how many arrivals there will be (for Poisson the mean); closed: 0, unknown
}

// NeedsOf computes them.
func NeedsOf(s *plan.Shape) Needs { panic("stub") }
