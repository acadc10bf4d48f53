package load

import (
	"math"
	"time"

	"tidegauge/engine/plan"
)

// ramp is a stretch on which the number of users changes: a stage, or a jump (over is 0).
type ramp struct {
	start, over time.Duration
	from, to    float64
}

// rampsOf returns the changes of a closed shape. The curve starts at 0 and may jump between stages; of several jumps at
// one moment only where they end counts.
func rampsOf(s *plan.Shape) []ramp { return rampsFrom(0, 0, s.Stages) }

// rampsFrom is rampsOf for stages that begin at start, when the curve is at value.
func rampsFrom(start time.Duration, value float64, stages []plan.Stage) []ramp {
	var ramps []ramp
	reached := value // where stages without length have led since
	add := func(r ramp) {
		if wholeUsers(r.from) != wholeUsers(r.to) {
			ramps = append(ramps, r)
		}
	}
	for _, st := range stages {
		if st.Over <= 0 {
			reached = st.To
			continue
		}
		add(ramp{start: start, from: value, to: st.From})
		add(ramp{start: start, over: st.Over, from: st.From, to: st.To})
		start += st.Over
		value, reached = st.To, st.To
	}
	add(ramp{start: start, from: value, to: reached})
	return ramps
}

// wholeUsers returns how many users run when the curve is at v: user i runs while it is above i.
func wholeUsers(v float64) int {
	if whole := math.Round(v); math.Abs(v-whole) <= 1e-9*max(1, math.Abs(v)) {
		v = whole
	}
	return max(int(math.Ceil(v)), 0)
}

// bounds returns the users that start or stop on the ramp: low up to, not including, high.
func (r *ramp) bounds() (low, high int) {
	a, b := wholeUsers(r.from), wholeUsers(r.to)
	return min(a, b), max(a, b)
}

func (r *ramp) rises() bool { return r.from < r.to }

// crosses returns when the curve crosses i, which is when user i starts or stops.
func (r *ramp) crosses(i int) time.Duration {
	part := (float64(i) - r.from) / (r.to - r.from)
	t := time.Duration(math.Round(part * float64(r.over)))
	return r.start + min(max(t, 0), r.over)
}

// running returns how many users run at t, which is not before the ramp's start.
func (r *ramp) running(t time.Duration) int {
	if r.over == 0 || t > r.start+r.over {
		return wholeUsers(r.to)
	}
	low, high := r.bounds()
	part := float64(t-r.start) / float64(r.over)
	n := min(max(wholeUsers(r.from+(r.to-r.from)*part), low), high) // right but for rounding
	if r.rises() {
		for n < high && r.crosses(n) <= t {
			n++
		}
		for n > low && r.crosses(n-1) > t {
			n--
		}
		return n
	}
	for n > low && r.crosses(n-1) <= t {
		n--
	}
	for n < high && r.crosses(n) > t {
		n++
	}
	return n
}

// Users answers how many users of a closed model run at a moment. Users are numbered from 0 and the running ones are always
// the first ones: who started last stops first.
type Users struct {
	ramps         []ramp
	first, stride int // this share has the users first, first+stride, …

	ramp    int // the ramp that Next is on
	entered bool
	user    int // on it, the user whose change is next
}

// NewUsers returns the schedule of a closed shape.
func NewUsers(s *plan.Shape) *Users { return &Users{ramps: rampsOf(s), stride: 1} }

// NewUsersFrom returns the schedule of stages that begin at an offset from the start, when so many users run.
func NewUsersFrom(at time.Duration, running int, stages []plan.Stage) *Users {
	return &Users{ramps: rampsFrom(at, float64(running), stages), stride: 1}
}

// Share returns the k-th (from 0) of n parts of the schedule: users k, k+n, k+2n, …, so that the parts add up to the whole at
// every moment. It starts at the beginning, wherever u is. It panics unless 0 <= k < n.
func (u *Users) Share(k, n int) *Users {
	checkShare(k, n)
	return &Users{ramps: u.ramps, first: u.first + k*u.stride, stride: u.stride * n}
}

// At returns the number of users at an offset from the start: the sum of the changes Next returns up to and including it.
// After the shape it is what the shape ends with.
func (u *Users) At(t time.Duration) int {
	n := 0
	for i := range u.ramps {
		if u.ramps[i].start > t {
			break
		}
		n = u.ramps[i].running(t)
	}
	if n <= u.first {
		return 0
	}
	return (n-u.first-1)/u.stride + 1
}

// Next returns the next change of the number of users: when, and by how much (+1 or -1). Moments never decrease. What
// still runs when the shape is over is stopped by its end, not by a change. Not for concurrent use.
func (u *Users) Next() (at time.Duration, change int, ok bool) {
	for ; u.ramp < len(u.ramps); u.ramp++ {
		r := &u.ramps[u.ramp]
		low, high := r.bounds()
		if !u.entered {
			u.enter(r)
		}
		if user := u.user; user >= low && user < high {
			if r.rises() {
				u.user += u.stride
				return r.crosses(user), +1, true
			}
			u.user -= u.stride
			return r.crosses(user), -1, true
		}
		u.entered = false
	}
	return 0, 0, false
}

// enter finds the first user of the share that changes on the ramp: from below when it rises, from above when it falls.
func (u *Users) enter(r *ramp) {
	u.entered = true
	low, high := r.bounds()
	if r.rises() {
		u.user = u.first
		if low > u.first {
			u.user += (low - u.first + u.stride - 1) / u.stride * u.stride
		}
		return
	}
	u.user = u.first - u.stride // none
	if high > u.first {
		u.user = u.first + (high-1-u.first)/u.stride*u.stride
	}
}
