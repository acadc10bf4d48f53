//go:build linux || darwin

package run

import "syscall"

// fileLimit returns how many files this process may have open, if that is known.
func fileLimit() (limit uint64, ok bool) {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0, false
	}
	return r.Cur, true
}
