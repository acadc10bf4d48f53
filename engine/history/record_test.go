package history

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidegauge/engine/answer"
	"tidegauge/engine/report"
)

func FuzzDecodeRecord(f *testing.F) {
	f.Add([]byte(`{"schema":"tidegauge.run/v1","id":"20260301-120000-load-aaaa","state":"finished","start":"2026-03-01T12:00:00Z","labels":{"a":"b"}}`))
	f.Add([]byte(`{"schema":"tidegauge.run/v1","id":"20260301-120000-","state":"running"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil {
			return
		}
		if r.ID[:timeLength] == "" || strings.Contains(r.ID, "/") {
			t.Errorf("id %q", r.ID)
		}
		again, err := r.encode()
		if err != nil {
			t.Fatalf("a record that was read cannot be written: %v", err)
		}
		if back, err := decodeRecord(again); err != nil || !cmp.Equal(r, back, cmpopts.EquateEmpty()) {
			t.Errorf("%v: %s", err, cmp.Diff(r, back))
		}
	})
}

func TestRecordHasTheAnswer(t *testing.T) {
	var r Record
	r.take(&report.Report{Answer: &answer.Answer{Standing: answer.Bad, Code: "leak", Text: "It leaks.", Figures: []answer.Figure{
		{Title: "growth an hour, relative", Metric: "tidegauge.hourly_growth", Subject: "memory", Value: new(0.5), Unit: "ratio"}, {Title: "for people only", Value: new(1.0)},
	}}})
	want := Record{Standing: answer.Bad, Answer: "It leaks.", Figures: []answer.Figure{{Title: "growth an hour, relative", Metric: "tidegauge.hourly_growth", Subject: "memory", Value: new(0.5), Unit: "ratio"}}}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(Record{}, "AsOf")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
