//go:build linux || darwin

package health

import (
	"syscall"
	"time"
)

// system reads what the operating system knows.
func (r *Reading) system() {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		r.CPUUser, r.CPUSystem = time.Duration(u.Utime.Nano()).Seconds(), time.Duration(u.Stime.Nano()).Seconds()
	}
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		r.FileLimit = float64(l.Cur)
	}
	r.proc()
}
