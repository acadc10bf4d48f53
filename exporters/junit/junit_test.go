package junit

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
	"tidegauge/exporters/internal/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func written(t testing.TB, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGolden(t *testing.T) {
	got := written(t, sample.Run(plan.Recovery, ""))
	file := filepath.Join("testdata", "recovery.xml")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run with -update if this is meant; -want +got\n%s", diff)
	}
}

// element is what the schema that Jenkins publishes (junit-10.xsd of its xUnit plugin) says of an element: which attributes it may have,
// which of them it must have, and what may be in it.
type element struct{ attributes, needed, children string }

var schema = map[string]element{
	"testsuites": {"name time tests failures disabled errors", "", "testsuite"},
	"testsuite":  {"name tests failures errors group time skipped timestamp hostname id package file log url version", "name", "testsuite properties testcase system-out system-err"},
	"properties": {"", "", "property"},
	"property":   {"name value", "name value", ""},
	"testcase":   {"name time classname group", "name", "skipped error failure rerunFailure rerunError flakyFailure flakyError system-out system-err"},
	"failure":    {"type message", "", ""},
	"error":      {"type message", "", ""},
	"skipped":    {"type message", "", ""},
	"system-out": {"", "", ""},
}

// valid fails where the text is not well-formed XML 1.0 or not what the schema allows, and returns how many test cases have what in them.
func valid(t testing.TB, text []byte) map[string]int {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	d.Strict = true
	var open []string
	counts := map[string]int{}
	suite := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			e, ok := schema[name]
			if !ok || len(open) > 0 && !slices.Contains(strings.Fields(schema[open[len(open)-1]].children), name) {
				t.Errorf("<%s> in <%s>", name, strings.Join(open, "><"))
			}
			var found []string
			for _, a := range token.Attr {
				found = append(found, a.Name.Local)
				if !slices.Contains(strings.Fields(e.attributes), a.Name.Local) {
					t.Errorf("<%s> has an attribute %s", name, a.Name.Local)
				}
				if n, err := strconv.Atoi(a.Value); err == nil && name == "testsuite" {
					suite[a.Name.Local] = n
				}
			}
			for needed := range strings.FieldsSeq(e.needed) {
				if !slices.Contains(found, needed) {
					t.Errorf("<%s> has no %s", name, needed)
				}
			}
			counts[name]++
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
	for attribute, name := range map[string]string{"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"} {
		if suite[attribute] != counts[name] {
			t.Errorf("it says %d %s and has %d of <%s>", suite[attribute], attribute, counts[name], name)
		}
	}
	return counts
}

func TestWhatIsMissedFailsAndWhatIsOpenIsAnError(t *testing.T) {
	pass := sample.Run(plan.Load, "")
	pass.Verdict = &verdict.Verdict{Outcome: verdict.Pass, Summary: "fine"}
	pass.Comparison = nil
	stopped := sample.Run(plan.Load, "")
	stopped.Verdict, stopped.Answer, stopped.Comparison = nil, nil, nil
	suspect := sample.Run(plan.Load, "")
	suspect.Comparison.Verdict = stat.Suspect
	for name, test := range map[string]struct {
		r    *report.Report
		want map[string]int
	}{
		"everything":           {sample.Run(plan.Soak, ""), map[string]int{"testcase": 7, "failure": 2, "error": 2, "skipped": 1}},
		"hostile":              {sample.Run(plan.Stress, sample.Hostile), map[string]int{"testcase": 7, "failure": 2, "error": 2, "skipped": 1}},
		"long":                 {sample.Run(plan.Stress, sample.Long()), map[string]int{"testcase": 7, "failure": 2, "error": 2, "skipped": 1}},
		"nothing to say of it": {pass, map[string]int{"testcase": 2}},
		"unfinished":           {stopped, map[string]int{"testcase": 1, "error": 1}},
		"not certainly worse":  {suspect, map[string]int{"testcase": 7, "failure": 1, "error": 2, "skipped": 1}},
		"empty":                {&report.Report{}, map[string]int{"testcase": 1, "error": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			text := written(t, test.r)
			got := valid(t, text)
			for _, what := range []string{"testcase", "failure", "error", "skipped"} {
				if got[what] != test.want[what] {
					t.Errorf("%d of <%s>, want %d", got[what], what, test.want[what])
				}
			}
			if len(text) > 200_000 {
				t.Errorf("it has %d bytes", len(text))
			}
		})
	}
}

func FuzzWrite(f *testing.F) {
	b, err := json.Marshal(sample.Run(plan.Recovery, ""))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, sample.Hostile)
	f.Fuzz(func(t *testing.T, b []byte, name string) {
		r := &report.Report{}
		if json.Unmarshal(b, r) != nil {
			r = sample.Run(plan.Load, name)
		}
		valid(t, written(t, r))
	})
}
