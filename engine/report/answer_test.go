package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tidegauge/engine/answer"
)

func TestAnswerText(t *testing.T) {
	value := func(v float64) *float64 { return &v }
	a := &answer.Answer{
		Question: "Does it fail fast and come back?", Text: "It came back.", Standing: answer.Good,
		Figures: []answer.Figure{
			{Title: "time to recover", Subject: "cut", Value: value(0.9999), Unit: "s", Text: "back is: good"},
			{Title: "outage", Subject: "cut", Value: value(8), Unit: "s", Text: strings.Repeat("too long for the line ", 4)},
			{Title: "time to recover", Subject: "delay", Value: value(38), Unit: "s", Censored: true},
			{Title: "capacity", Value: value(100), Low: value(95), High: value(105), Level: 0.9, Unit: "1/s"},
		},
		Charts: []answer.Chart{{
			Title: "Availability", Unit: "ratio", X: "s",
			Lines: []answer.Line{{Name: "good", X: []float64{0, 50, 100}, Y: []*float64{value(1), nil, value(1)}}},
			Marks: []answer.Mark{{Name: "a long name", From: 20}, {Name: "back", From: 25}, {Name: "later", From: 70}, {Name: "a name at the very end", From: 99}},
		}},
	}
	for _, width := range []int{80, 120} {
		var b bytes.Buffer
		(&Report{Answer: a}).answer(&text{w: &b, width: width})
		golden(t, fmt.Sprintf("answer-%d.txt", width), b.Bytes())
	}
}

// Marks do not overwrite each other, and each is at its place.
func TestMarkRows(t *testing.T) {
	got := strings.Join(markRows([]answer.Mark{
		{Name: "a long name", From: 20}, {Name: "back", From: 25}, {Name: "later", From: 70}, {Name: "the very end", From: 99},
	}, 0, 100, 50, 60), "\n")
	const want = "          │a long name             │later\n            │back                    the very end│"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
