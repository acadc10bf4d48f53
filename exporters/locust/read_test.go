package locust

import (
	"math"
	"strings"
	"testing"
	"time"
)

const statsText = `Type,Name,Request Count,Failure Count,Median Response Time,Average Response Time,Min Response Time,Max Response Time,Average Content Size,Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%
GET,/cart,900,9,12,15.5,3.1,210.9,120.0,15.0,0.15,12,14,16,18,25,40,90,120,200,210,210
POST,/payments,300,0,30,33.25,9.0,400.0,50.5,5.0,0.0,30,33,36,40,52,70,150,220,400,400,400
,Aggregated,1200,9,15,20.0,3.1,400.0,102.6,20.0,0.15,15,20,25,29,40,55,110,180,400,400,400
`

func TestReadStats(t *testing.T) {
	r, err := Read(strings.NewReader(statsText))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Entries) != 2 || r.Entries[1].Method != "POST" || r.Entries[1].Name != "/payments" || r.Total.Requests != 1200 || r.Total.Failures != 9 || r.Total.Rate != 20 {
		t.Errorf("%+v", r)
	}
	if q := r.Total.Quantiles; math.Abs(q[0.95]-0.055) > 1e-12 || math.Abs(q[0.999]-0.4) > 1e-12 || math.Abs(r.Entries[0].Mean-0.0155) > 1e-12 || !r.Start.IsZero() {
		t.Errorf("%+v", r.Total)
	}
}

func TestReadJSON(t *testing.T) {
	r, err := Read(strings.NewReader(`[{"name": "/cart", "method": "GET", "last_request_timestamp": 1700000060.5, "start_time": 1700000000.5, "num_requests": 100, "num_none_requests": 0,
"num_failures": 2, "total_response_time": 1500.0, "max_response_time": 98.2, "min_response_time": 4.5, "total_content_length": 10, "response_times": {"10": 90, "50": 6, "98": 4}, "num_reqs_per_sec": {}, "num_fail_per_sec": {}},
{"name": "/pay", "method": "POST", "last_request_timestamp": 1700000050, "start_time": 1700000001, "num_requests": 100, "num_none_requests": 0, "num_failures": 0, "total_response_time": 2000, "max_response_time": 20, "min_response_time": 20, "response_times": {"20": 100}}]`))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Entries) != 2 || r.Total.Requests != 200 || r.Total.Failures != 2 || r.Total.Mean != 0.0175 || r.End.Sub(r.Start) != time.Minute {
		t.Errorf("%+v", r)
	}
	if e := &r.Entries[0]; e.Quantiles[0.5] != 0.01 || e.Quantiles[0.95] != 0.05 || e.Quantiles[0.99] != 0.098 {
		t.Errorf("%+v", e)
	}
	if q := r.Total.Quantiles; q[0.5] != 0.02 || q[0.95] != 0.02 || q[0.99] != 0.098 {
		t.Errorf("together: %v", q)
	}
}

func TestWhatIsNotOfLocust(t *testing.T) {
	for text, want := range map[string]string{
		"":                "expected PREFIX_stats.csv",
		"a,b\n1,2\n":      `the column "Type" is missing`,
		"[{\"name\": 3}]": "expected the JSON of --json",
		"[]":              "they have no requests",
		`[{"name":"a","num_requests":1,"response_times":{"x":1}}]`: "expected milliseconds",
		strings.Replace(statsText, "900,9", "many,9", 1):           `line 2: Request Count is "many"`,
		"Timestamp,User Count," + statsText:                        "it is PREFIX_stats_history.csv",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: %v, want %q", text, err, want)
		}
	}
}

// FuzzRead: whatever a file has, numbers that come of it are numbers.
func FuzzRead(f *testing.F) {
	f.Add(statsText)
	f.Add(`[{"name":"a","num_requests":1e300,"start_time":1,"last_request_timestamp":1e300,"response_times":{"1e300":1e300}}]`)
	f.Add("[")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range append(r.Entries, r.Total) {
			for _, v := range []float64{e.Rate, e.Min, e.Mean, e.Max, e.Quantiles[0.5], e.Quantiles[1]} {
				if math.IsNaN(v) || v < 0 {
					t.Errorf("%+v", e)
				}
			}
		}
	})
}
