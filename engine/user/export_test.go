package user

import "time"

// Oversleep makes the timer of the user's pauses fire d late.
func (s *Session) Oversleep(d time.Duration) {
	s.timer = time.NewTimer(time.Hour)
	s.timer.Stop()
	right := s.timer.C
	late := make(chan time.Time)
	s.timer.C = late
	go func() {
		<-right
		time.Sleep(d)
		late <- time.Now()
	}()
}
