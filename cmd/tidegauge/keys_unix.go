//go:build linux || darwin

package main

import "golang.org/x/sys/unix"

// readKeys has a terminal hand on keys as they are pressed, unseen, and a read end after a tenth of a second without one. Ctrl-C
// and Ctrl-Z mean what they always do. restore undoes it.
func readKeys(fd int) (restore func(), err error) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	keys := *before
	keys.Lflag &^= unix.ICANON | unix.ECHO
	keys.Cc[unix.VMIN], keys.Cc[unix.VTIME] = 0, 1
	if err := unix.IoctlSetTermios(fd, setTermios, &keys); err != nil {
		return nil, err
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }, nil
}
