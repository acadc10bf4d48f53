package answer

import (
	"testing"
	"time"
)

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 1540 * time.Millisecond: "1.5 s", 99 * time.Second: "99 s", 2 * time.Minute: "2m", 270 * time.Second: "4m30s", 121 * time.Second: "2m1s",
		10 * time.Minute: "10m", 65 * time.Minute: "1h5m", 100 * time.Minute: "100 minutes",
	} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
