package run

import (
	"fmt"

	"tidegauge/engine/load"
	"tidegauge/engine/plan"
)

// ownFiles is how many files tidegauge itself has open beside the connections of users: the store, the run's folder, what
// is served.
const ownFiles = 50

// FileWarning returns a warning if the connections of a shape's users may be more than this process may have open, else "".
// The limit is the hard one: package syscall raises the soft one to it when a process starts.
func FileWarning(s *plan.Shape) string {
	limit, ok := fileLimit()
	if !ok {
		return ""
	}
	return fileWarning(load.NeedsOf(s).PeakUsers, limit)
}

func fileWarning(users int, limit uint64) string {
	if uint64(max(users, 0))+ownFiles <= limit {
		return ""
	}
	return fmt.Sprintf("%d users at once may need a connection each, but tidegauge may have only %d files open: raise the limit (ulimit -n)", users, limit)
}
