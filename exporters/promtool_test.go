package exporters

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestPromtoolChecksMetrics: what is pulled while a run lasts, in the text format, passes the promtool of both releases.
func TestPromtoolChecksMetrics(t *testing.T) {
	t.Parallel()
	l := openLab(t, t.TempDir(), time.Second, "prometheus=http://127.0.0.1:1/w")
	var text string
	l.run(3*time.Second, map[int]func(){2: func() {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
		w := httptest.NewRecorder()
		l.pulled().ServeHTTP(w, r)
		text = w.Body.String()
	}})
	for _, want := range []string{"tidegauge_response_time_seconds_bucket{", "tidegauge_requests_total{", "tidegauge_users{", "tidegauge_outlet_samples_total{"} {
		if !strings.Contains(text, want) {
			t.Fatalf("there is no %s in\n%s", want, text)
		}
	}
	for _, r := range []release{prometheus2, prometheus3} {
		t.Run(r.version, func(t *testing.T) {
			promtool, err := r.find(t, "promtool")
			skip(t, err)
			cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
			cmd.Stdin = strings.NewReader(text)
			if answer, err := cmd.CombinedOutput(); err != nil || len(strings.TrimSpace(string(answer))) > 0 {
				t.Errorf("promtool check metrics: %v\n%s", err, answer)
			}
		})
	}
}
