package plan

import (
	"reflect"
	"testing"
	"time"
)

func TestParseObjective(t *testing.T) {
	for text, want := range map[string]Objective{
		"p95 < 500ms":             {Metric: Quantile, Quantile: 0.95, Op: "<", Threshold: 0.5},
		"p99.9<=1s":               {Metric: Quantile, Quantile: 0.999, Op: "<=", Threshold: 1},
		"p0.1 > 1ms":              {Metric: Quantile, Quantile: 0.001, Op: ">", Threshold: 0.001},
		"median < 1s":             {Metric: Quantile, Quantile: 0.5, Op: "<", Threshold: 1},
		"service.max < 1s":        {Metric: Maximum, Service: true, Op: "<", Threshold: 1},
		"mean < 1.5s for 1m":      {Metric: Mean, Op: "<", Threshold: 1.5, For: time.Minute},
		"error_rate < 0.1%,abort": {Metric: ErrorRate, Op: "<", Threshold: 0.001, Abort: true},
		"rate > 190/s":            {Metric: Rate, Op: ">", Threshold: 190},
		"count >= 1000":           {Metric: Count, Op: ">=", Threshold: 1000},
		"failures == 0 , abort":   {Metric: Failures, Op: "==", Abort: true},
		`check_rate { check = "a \"b\" }" , } > 99% for 1d, abort`: {
			Metric: CheckRate, Selector: map[string]string{"check": `a "b" }`}, Op: ">", Threshold: 0.99,
			For: 24 * time.Hour, Abort: true,
		},
		`p95{name='GET /x "y"',class="A",method="GET"} < 1s`: {
			Metric: Quantile, Quantile: 0.95, Op: "<", Threshold: 1,
			Selector: map[string]string{"name": `GET /x "y"`, "class": "A", "method": "GET"},
		},
		"p95{} < 1s": {Metric: Quantile, Quantile: 0.95, Op: "<", Threshold: 1},
	} {
		got, err := parseObjective(text)
		want.Text = text
		if err != nil || !reflect.DeepEqual(got.Objective, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", text, got.Objective, err, want)
		}
	}
}

// FuzzObjective: an objective is either right, and then in itself consistent, or has a mistake inside the text.
func FuzzObjective(f *testing.F) {
	for _, seed := range []string{
		"p95 < 500ms", `p99{name="GET /x", class='A'} < 1s for 30s, abort`, "error_rate<=0.1%", "service.mean > 1d", "rate >= 1/h",
		`p95{name="x`, "p95{", "p95 for", "count == 1, abort,", "check_rate{check=\"\\", "p.. < 1", "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseObjective(text)
		if err != nil {
			if err.offset < 0 || err.offset > len(text) || err.message == "" {
				t.Errorf("%q: error %q at %d", text, err.message, err.offset)
			}
			return
		}
		if o.Metric == "" || o.Op == "" || o.Threshold < 0 || o.Threshold != o.Threshold || o.For < 0 {
			t.Errorf("%q: %+v", text, o)
		}
		if (o.Metric == Quantile) != (o.Quantile > 0 && o.Quantile < 1) || len(o.Selector) != len(o.labels) {
			t.Errorf("%q: %+v", text, o)
		}
	})
}
