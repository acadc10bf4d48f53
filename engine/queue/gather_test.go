package queue

import (
	"bytes"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
)

// What a queue tells at /metrics: a run that is going on, one that waits for it, and what became of the moments.
func TestGather(t *testing.T) {
	_, plans := folder(t)
	synctest.Test(t, func(t *testing.T) {
		l := &lab{length: 20 * time.Minute}
		q, stop := start(t, Options{Run: l.run, Plans: plans, StateFile: filepath.Join(t.TempDir(), "state.json"), Settings: Settings{
			Schedules: []Schedule{
				{Name: "often", Plan: "shop", Test: "load", Cron: mustCron(t, "*/10 * * * *", "")},
				{Name: "once", Plan: "shop", Test: "users", Cron: mustCron(t, "11 0 * * *", "")},
			},
		}})
		time.Sleep(25 * time.Minute) // 2000-01-01 00:25 UTC
		families, err := q.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		for _, f := range families {
			f.Help = nil
			if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
				t.Fatal(err)
			}
		}
		want := `# TYPE tidegauge_queue_jobs gauge
tidegauge_queue_jobs{state="running"} 1
tidegauge_queue_jobs{state="waiting"} 1
# TYPE tidegauge_schedule_last_start_time_seconds gauge
tidegauge_schedule_last_start_time_seconds{schedule="often"} 9.466854e+08
# TYPE tidegauge_schedule_moments_total counter
tidegauge_schedule_moments_total{outcome="blackout",schedule="often"} 0
tidegauge_schedule_moments_total{outcome="missed",schedule="often"} 0
tidegauge_schedule_moments_total{outcome="overlap",schedule="often"} 1
tidegauge_schedule_moments_total{outcome="refused",schedule="often"} 0
tidegauge_schedule_moments_total{outcome="started",schedule="often"} 1
tidegauge_schedule_moments_total{outcome="blackout",schedule="once"} 0
tidegauge_schedule_moments_total{outcome="missed",schedule="once"} 0
tidegauge_schedule_moments_total{outcome="overlap",schedule="once"} 0
tidegauge_schedule_moments_total{outcome="refused",schedule="once"} 0
tidegauge_schedule_moments_total{outcome="started",schedule="once"} 0
# TYPE tidegauge_schedule_next_time_seconds gauge
tidegauge_schedule_next_time_seconds{schedule="often"} 9.466866e+08
tidegauge_schedule_next_time_seconds{schedule="once"} 9.4677186e+08
# TYPE tidegauge_schedule_overdue_seconds gauge
tidegauge_schedule_overdue_seconds{schedule="often"} 300
tidegauge_schedule_overdue_seconds{schedule="once"} 0
`
		if diff := cmp.Diff(want, text.String()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		stop()
	})
}
