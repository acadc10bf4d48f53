package scrape

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newQuiet(slog.New(slog.NewTextHandler(&out, nil)))
		lines := func() int {
			defer out.Reset()
			return strings.Count(out.String(), "\n")
		}
		a, b := log.With("target", "a"), log.WithGroup("pool").With("target", "b")
		for i := range 3 {
			a.Warn("out of order", "dropped", i)
			b.Warn("out of order", "dropped", i)
		}
		a.Warn("too old")
		if n := lines(); n != 3 {
			t.Errorf("%d lines, want one of each target, and another that says something else", n)
		}
		time.Sleep(repeatEvery)
		a.Warn("out of order")
		if n := lines(); n != 1 {
			t.Errorf("after %v %d lines, want 1", repeatEvery, n)
		}
		for i := range 3 * mostLines {
			log.Info(fmt.Sprint(i))
		}
		if n := lines(); n != 3*mostLines {
			t.Errorf("of %d different lines %d are said", 3*mostLines, n)
		}
		if n := len(log.Handler().(*quiet).said.at); n > mostLines {
			t.Errorf("%d lines are remembered", n)
		}
	})
}
