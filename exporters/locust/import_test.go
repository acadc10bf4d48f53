package locust

import (
	"strings"
	"testing"
	"time"

	"tidegauge/engine/compare"
	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
)

func TestImportIntoAHistory(t *testing.T) {
	p, err := plan.Parse("plan.yaml", []byte(`
name: shop
target: {base_url: "http://localhost:1"}
classes: {Buyer: {tasks: [{steps: [{get: /cart}, {post: /pay, name: pay}]}]}}
tests: {load: {users: 1, duration: 1m}}
`), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	results, err := Read(strings.NewReader(statsText))
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	results.At(end)
	if results.End != end || results.End.Sub(results.Start) != time.Minute {
		t.Errorf("1,200 requests at 20/s from %v to %v", results.Start, results.End)
	}
	values, warnings := results.Values(p)
	if all := strings.Join(warnings, "\n"); !strings.Contains(all, "failed ones too") || !strings.Contains(all, "this name, or several classes do: POST /payments") {
		t.Errorf("warnings: %s", all)
	}
	if values.Median("Buyer / GET /cart") != 0.012 || values.Median("") != 0.015 {
		t.Errorf("values: %+v", values)
	}
	h, err := history.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	meta := report.MetaOf(p, &p.Tests[0])
	var last history.Record
	for range 6 {
		if last, err = h.Import(results.Report(meta, warnings), &values, p.Source); err != nil {
			t.Fatal(err)
		}
		results.Start, results.End = results.Start.Add(time.Hour), results.End.Add(time.Hour)
	}
	if last.Imported != ImportedFrom || last.Requests != 1200 || last.P95 != 0.055 || last.State != history.Finished {
		t.Errorf("record: %+v", last)
	}
	s, err := h.Load(last.ID)
	if err != nil || len(s.Problems) > 0 || s.Report.Total.Count != 1200 || len(s.Report.Requests) != 2 {
		t.Errorf("loaded: %+v, %v", s, err)
	}
	c, err := h.Compare(last.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Verdict != stat.Indicative || len(c.Runs) != 5 || !strings.Contains(strings.Join(c.Warnings, " "), "imported from Locust") {
		t.Errorf("%s, %s: %v", c.Verdict, c.Summary, c.Warnings)
	}
	// However much worse a run is, and with however many imported ones it is compared.
	worse := compare.Run{ID: "r", Values: compare.Values{Values: []compare.Value{{Metric: compare.P50, Value: 3, Variance: 1e-4}}}}
	runs, err := h.Rolling(last)
	if err != nil {
		t.Fatal(err)
	}
	if c := compare.Against("before", worse, runs, nil); c.Verdict != stat.Indicative || c.Rows[0].Leaning == "" || c.Confirmed {
		t.Errorf("%s, %+v", c.Verdict, c.Rows[0])
	}
}
