package main

import (
	"testing"
	"time"
)

func TestDurationFlags(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 30 * 24 * time.Hour, "1d12h": 36 * time.Hour, "720h": 720 * time.Hour, "300": 5 * time.Minute, "1h30m": 90 * time.Minute,
		"-1s": -1, "x": -1, "-5": -1,
	} {
		var d locustDuration
		if err := d.Set(text); (err != nil) != (want < 0) || err == nil && time.Duration(d) != want {
			t.Errorf("%s: %v, %v; want %v", text, time.Duration(d), err, want)
		}
	}
}
