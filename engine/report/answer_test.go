package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

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

// TestAnswersOfAllTypes shows the golden answers of package answer in a terminal of 80 columns.
func TestAnswersOfAllTypes(t *testing.T) {
	for _, name := range []string{"load", "stress", "spike", "soak", "recovery"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join("..", "answer", "testdata", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			a := &answer.Answer{}
			if err := json.Unmarshal(b, a); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			(&Report{Answer: a}).answer(&text{w: &out, width: 80})
			for line := range strings.Lines(out.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			golden(t, "answer-"+name+".txt", out.Bytes())
		})
	}
}
