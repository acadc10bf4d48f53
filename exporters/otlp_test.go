package exporters

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// exposition is what a server under test shows: of each type one, and names and labels that a translation could change.
const exposition = `# TYPE orders_total counter
orders_total{kind="a"} 3
# TYPE orders counter
orders 4
# TYPE depth gauge
depth NaN
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.5"} 1
wait_seconds_bucket{le="1"} 2
wait_seconds_bucket{le="+Inf"} 3
wait_seconds_sum 7.5
wait_seconds_count 3
# TYPE rtt_seconds summary
rtt_seconds{quantile="0.5"} 0.25
rtt_seconds_sum 4
rtt_seconds_count 9
# TYPE target_info gauge
target_info{version="7",zone="x"} 1
nothing_said_bytes_total 12
http_requests_total_bytes 5
`

// scraping adds a server with metrics to the plan of a lab.
func (l *lab) scraping() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprint(w, exposition)
	}))
	l.t.Cleanup(s.Close)
	l.more = fmt.Sprintf("scrape: [{job_name: shop, static_configs: [{targets: [%q]}]}]\n", s.Listener.Addr())
}

// TestPrometheusHoldsWhatWasScrapedByOTLP: under the names and labels of the store; and nothing lingers there.
func TestPrometheusHoldsWhatWasScrapedByOTLP(t *testing.T) {
	t.Parallel()
	s, err := newPrometheus(t, prometheus3, "", "--web.enable-otlp-receiver")
	skip(t, err)
	s.start()
	l := openLab(t, t.TempDir(), time.Minute, overOTLP(t, s))
	l.scraping()
	r := l.run(3*time.Second, nil)
	complete(t, r.Outlets)
	prometheusHolds(t, s, l)
	var answer struct{ Data struct{ Result []any } }
	decode(t, s.get("/api/v1/query", url.Values{"query": {`{job="shop"}`}}), &answer)
	if len(answer.Data.Result) > 0 {
		t.Errorf("series linger after the run: %v", answer.Data.Result)
	}
}
