package exporters

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestSlowScrapeArrives: a scrape that takes longer than an outlet lets samples settle is written under the time at which it
// began, behind the outlet's cursor, and reaches the store all the same.
func TestSlowScrapeArrives(t *testing.T) {
	t.Parallel()
	prometheus, err := newPrometheus(t, prometheus2, "", "--enable-feature=native-histograms")
	skip(t, err)
	prometheus.start()
	l := openLab(t, t.TempDir(), time.Minute, "prometheus="+prometheus.url()+"/api/v1/write")
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(6 * time.Second):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, exposition)
	}))
	t.Cleanup(slow.Close)
	l.more = fmt.Sprintf("scrape: [{job_name: slow, scrape_interval: 9s, scrape_timeout: 8s, static_configs: [{targets: [%q]}]}]\n", slow.Listener.Addr())
	r := l.run(10*time.Second, nil)
	complete(t, r.Outlets)
	prometheusHolds(t, prometheus, l)
	if len(r.Servers) != 1 || r.Servers[0].Up < 1 { // when in its interval a target is scraped is a matter of its address
		t.Errorf("the slow server was not scraped: %+v", r.Servers)
	}
}
