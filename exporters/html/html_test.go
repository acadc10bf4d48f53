package html

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	xhtml "golang.org/x/net/html"

	"tidegauge/engine/interval"
	"tidegauge/engine/plan"
	"tidegauge/engine/report"
	"tidegauge/exporters/internal/sample"
)

var kinds = []plan.Type{plan.Load, plan.Stress, plan.Spike, plan.Soak, plan.Recovery}

func written(t testing.TB, run Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func intervals(t testing.TB, seconds, requests, each int, name string) *interval.Log {
	t.Helper()
	l, err := sample.Intervals(seconds, requests, each, name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// page is a page as a browser sees it.
type page struct {
	root     *xhtml.Node
	elements []*xhtml.Node
	ids      map[string]*xhtml.Node
}

func parsed(t testing.TB, text string) *page {
	t.Helper()
	root, err := xhtml.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p := &page{root: root, ids: map[string]*xhtml.Node{}}
	for n := range root.Descendants() {
		if n.Type != xhtml.ElementNode {
			continue
		}
		p.elements = append(p.elements, n)
		if id := attribute(n, "id"); id != "" {
			if p.ids[id] != nil {
				t.Errorf("two elements have the id %q", id)
			}
			p.ids[id] = n
		}
	}
	return p
}

func attribute(n *xhtml.Node, name string) string {
	i := slices.IndexFunc(n.Attr, func(a xhtml.Attribute) bool { return a.Key == name })
	if i < 0 {
		return ""
	}
	return n.Attr[i].Val
}

func textOf(n *xhtml.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == xhtml.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

func TestAPageNeedsNothingElse(t *testing.T) {
	known := strings.Fields("html head meta title style body a header div span b h1 p main ul li dl dt dd nav section h2 h3 table caption thead tbody tr th td code i em svg path rect g desc figure figcaption details summary pre footer")
	for _, kind := range kinds {
		for _, name := range []string{"", sample.Hostile} {
			text := written(t, Run{Report: sample.Run(kind, name), Intervals: intervals(t, 60, 2, 20, name), Plan: []byte("name: payments\n" + name)})
			p := parsed(t, text)
			for _, n := range p.elements {
				if !slices.Contains(known, n.Data) {
					t.Errorf("%s: there is an element %s", kind, n.Data)
				}
				for _, a := range n.Attr {
					switch {
					case strings.HasPrefix(a.Key, "on"), a.Key == "src", a.Key == "action", a.Key == "srcset":
						t.Errorf("%s: %s has an attribute %s", kind, n.Data, a.Key)
					case a.Key == "href" && p.ids[strings.TrimPrefix(a.Val, "#")] == nil:
						t.Errorf("%s: a link leads to %q", kind, a.Val)
					case a.Key == "style" && strings.ContainsAny(a.Val, "()\\") && !strings.HasPrefix(a.Val, "--rows"):
						t.Errorf("%s: style %q", kind, a.Val)
					}
				}
			}
			if css := strings.ToLower(textOf(firstOf(p, "style"))); strings.Contains(css, "url(") || strings.Contains(css, "@import") || strings.Contains(css, "@font-face") {
				t.Errorf("%s: the style asks for something", kind)
			}
			if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == '\u202e' }); i >= 0 {
				t.Errorf("%s: a control character at %q", kind, text[max(i-20, 0):i+1])
			}
			if !utf8.ValidString(text) || strings.Contains(text, "ZgotmplZ") {
				t.Errorf("%s: it is not UTF-8, or the template refused a value", kind)
			}
		}
	}
}

func firstOf(p *page, name string) *xhtml.Node {
	return p.elements[slices.IndexFunc(p.elements, func(n *xhtml.Node) bool { return n.Data == name })]
}

func TestEveryPictureIsSaidInWordsToo(t *testing.T) {
	for _, kind := range kinds {
		p := parsed(t, written(t, Run{Report: sample.Run(kind, ""), Intervals: intervals(t, 120, 2, 20, "")}))
		figures := 0
		for _, n := range p.elements {
			if n.Data == "figure" {
				figures++
			}
			if n.Data != "svg" || attribute(n, "aria-hidden") == "true" {
				continue
			}
			ids := strings.Fields(attribute(n, "aria-labelledby"))
			if len(ids) != 2 || attribute(n, "role") != "img" {
				t.Fatalf("%s: a picture has no names: %v", kind, n.Attr)
			}
			for _, id := range ids {
				if p.ids[id] == nil || len(textOf(p.ids[id])) < 4 {
					t.Errorf("%s: nothing is said by %s", kind, id)
				}
			}
		}
		if figures < 8 {
			t.Errorf("%s: there are %d pictures", kind, figures)
		}
		for _, id := range []string{"objectives", "answer", "time", "heat", "comparison", "changes", "requests", "failures", "servers", "generator", "about"} {
			if p.ids[id] == nil {
				t.Errorf("%s: there is no %s", kind, id)
			}
		}
	}
}

func TestAPageSaysWhatTheReportSays(t *testing.T) {
	p := parsed(t, written(t, Run{Report: sample.Run(plan.Stress, ""), Intervals: intervals(t, 120, 2, 20, ""), Plan: []byte("name: the plan itself\n")}))
	for id, all := range map[string][]string{
		"main":       {"fail", "P95", "8ms", "5,998", "49.98"[:2], "9.9 ms"},
		"objectives": {"p95 < 8ms", "[9.5 ms, 10.4 ms]", "9.9 ms", "4,700", "no data", "0 of 72 missed", "without 0:50 to 1:15"},
		"answer":     {"Where does it break?", "490/s", "[480/s, 511/s]", "about 504.9/s", "keeping up with the arrivals", "trial that failed"},
		"comparison": {"regression", "+20%", "+14% to +26%", "100 ms", "120 ms", "1 rows of single requests"},
		"requests":   {"POST /pay", "GET /pay/{id}", "3,000", "~", "2 requests were cut"},
		"failures":   {"503 Service Unavailable", "98×", "0:50 to 1:10", "status == 201", "json.id is missing"},
		"servers":    {"CPU (Go process)", "Resident memory", "limit 100", "timeout", "did not always answer"},
		"generator":  {"6,000 due = 5,990 started + 10 dropped", "prometheus localhost:9090", "incomplete", "lost: out of order"},
		"about":      {"v1.4", "0123abcd", "staging", "ci-7, 4 CPUs", "cut of database begins"},
		"plan":       {"the plan itself"},
	} {
		got := textOf(p.ids[id])
		for _, want := range all {
			if !strings.Contains(got, want) && !strings.Contains(strings.ToLower(got), strings.ToLower(want)) {
				t.Errorf("%s does not say %q", id, want)
			}
		}
	}
}

func TestAPageOfALongRunIsSmall(t *testing.T) {
	r := sample.Run(plan.Soak, "")
	r.Seconds = 8 * 3600
	for len(r.Series) < 600 {
		r.Series = append(r.Series, r.Series...)
	}
	r.Series = r.Series[:600]
	for i := range r.Series {
		r.Series[i].At, r.Series[i].Seconds = float64(i)*48, 48
	}
	for len(r.Requests) < 150 {
		r.Requests = append(r.Requests, r.Requests[0])
	}
	for len(r.Resources) < 32 {
		r.Resources = append(r.Resources, r.Resources[2])
		r.Resources[len(r.Resources)-1].Name += strings.Repeat("x", len(r.Resources))
	}
	text := written(t, Run{Report: r, Intervals: intervals(t, 260, 20, 20, ""), Plan: bytes.Repeat([]byte("a: plan\n"), 1000)})
	if len(text) > 1<<20 {
		t.Errorf("it has %d bytes", len(text))
	}
}

func TestLongNamesAndReportsWithLittle(t *testing.T) {
	for _, run := range []Run{
		{Report: &report.Report{}},
		{Report: &report.Report{Schema: report.Schema, Start: sample.Start(), Series: []report.Point{{Seconds: 1}, {At: 1, Seconds: 1}}, Seconds: 2}},
		{Report: sample.Run(plan.Load, sample.Long()), Intervals: intervals(t, 3, 1, 1, sample.Long())},
	} {
		parsed(t, written(t, run))
	}
}

func TestAxes(t *testing.T) {
	labels := func(all []tick) (out []string) {
		for _, x := range all {
			out = append(out, x.Label)
		}
		return out
	}
	for _, test := range []struct {
		values []float64
		unit   string
		log    bool
		want   string
	}{
		{[]float64{0.01, 0.038}, "s", true, "0 ms 10 ms 20 ms 30 ms 40 ms"},
		{[]float64{0.001, 0.9}, "s", true, "1 ms 10 ms 100 ms 1 s"},
		{[]float64{0.9}, "ratio", false, "0% 25% 50% 75% 100%"},
		{[]float64{0.004}, "ratio", false, "0% 0.1% 0.2% 0.3% 0.4% 0.5%"},
		{[]float64{3}, "1", false, "0 1 2 3 4"},
		{[]float64{150 << 20}, "By", false, "0 B 64 MiB 128 MiB 192 MiB"},
		{nil, "1/s", false, "0/s 0.5/s 1/s 1.5/s"},
	} {
		a := valueAxis(test.values, test.unit, test.log)
		if got := strings.Join(labels(a.ticks()), " "); got != test.want {
			t.Errorf("%v %s: %s, want %s", test.values, test.unit, got, test.want)
		}
	}
	for seconds, want := range map[float64]string{60: "0:00 0:10 0:20 0:30 0:40 0:50 1:00", 7200: "0:00 15:00 30:00 45:00 1:00:00 1:15:00 1:30:00 1:45:00 2:00:00", 90000: "0:00 6:00:00 12:00:00 18:00:00 24:00:00"} {
		a := timeAxis(seconds)
		if got := strings.Join(labels(a.across()), " "); got != want {
			t.Errorf("%v s: %s, want %s", seconds, got, want)
		}
	}
	a := loadAxis([]float64{200, 800}, "1/s")
	if got := strings.Join(labels(a.across()), " "); got != "200/s 300/s 400/s 500/s 600/s 700/s 800/s" {
		t.Errorf("loads: %s", got)
	}
}

func TestPathsLeaveGaps(t *testing.T) {
	nan := math.NaN()
	p := panel{x: axis{high: 10}, y: axis{high: 10}}
	for _, test := range []struct {
		points     []point
		path, area string
	}{
		{[]point{{0, 0}, {5, 10}}, "M0 100L500 0", "M0 100L0 100L500 0L500 100Z"},
		{[]point{{0, 5}, {1, nan}, {2, 5}, {3, 5}}, "M0 50h0M200 50L300 50", "M0 100L0 50L0 100ZM200 100L200 50L300 50L300 100Z"},
		{[]point{{0, nan}}, "", ""},
		{[]point{{20, 20}}, "M1000 0h0", "M1000 100L1000 0L1000 100Z"},
	} {
		if got := p.path(test.points); got != test.path {
			t.Errorf("path of %v: %s, want %s", test.points, got, test.path)
		}
		if got := p.area(test.points); got != test.area {
			t.Errorf("area of %v: %s, want %s", test.points, got, test.area)
		}
	}
}

func TestNamesOfLinesDoNotLieOnEachOther(t *testing.T) {
	p := panel{Height: 150, x: axis{high: 10}, y: axis{high: 100, step: 50}}
	for _, y := range []float64{2, 1, 3} {
		p.line("a1", "x", []point{{0, y}})
	}
	p.finish()
	for i := 1; i < len(p.Ends); i++ {
		if gap := number(p.Ends[i].At) - number(p.Ends[i-1].At); gap < 9.99 || number(p.Ends[i].At) > 100 {
			t.Errorf("name %d is %v%% below the one before, at %s%%", i, gap, p.Ends[i].At)
		}
	}
}

func FuzzWrite(f *testing.F) {
	for _, kind := range kinds {
		b, err := json.Marshal(sample.Run(kind, ""))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"seconds":1e308,"series":[{"at":1e308,"seconds":-1e308,"rate":1e308},{}],"answer":{"charts":[{"x":"users","lines":[{"x":[0,1e308],"y":[1e308,-1]}]}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r report.Report
		if json.Unmarshal(b, &r) != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, Run{Report: &r}); err != nil {
			t.Fatal(err)
		}
	})
}
