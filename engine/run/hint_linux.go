package run

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// hint gets the Go runtime to look at its timers in time.
//
// When the runtime has nothing to do it sleeps in epoll_wait with a timeout of whole milliseconds, so that a Timer alone
// goes off half a millisecond late, and that lateness would be part of every response time. A timerfd that is set to the
// same moment ends the sleep, since it is among the runtime's descriptors, and the runtime then finds the Timer due. It is
// never read and nothing waits for it: without it a Timer is right but late.
//
// Measured on two cores against nginx, with it and without: at 1,000 arrivals/s the median lateness is 0.06 and 0.55 ms, for
// about the same CPU per request; at 10,000/s 0.035 and 0.47 ms, the median response time 0.07 and 0.7 ms, for 55 µs of
// CPU per request instead of 27, since requests are no longer made in batches. For users that wait it is 0.09 and 0.56 ms.
// Spinning until something is due would cost a core.
type hint struct {
	fd   int
	file *os.File // of fd; nil if the system gave us none
}

func newHint() hint {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return hint{}
	}
	return hint{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")} // being non-blocking, it is polled by the runtime
}

// set tells that a timer will be due in d; what it was told before is forgotten.
func (h *hint) set(d time.Duration) {
	if h.file != nil && d > 0 {
		spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
		_ = unix.TimerfdSettime(h.fd, 0, &spec, nil) // only a hint
	}
}

// close frees the descriptor. The hint must not be set any more.
func (h *hint) close() {
	if h.file != nil {
		_ = h.file.Close() // there is nothing in it to lose
	}
}
