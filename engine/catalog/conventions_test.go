package catalog

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// problems returns what OpenTelemetry's conventions have against a metric: general guidelines and those for names and units,
// https://opentelemetry.io/docs/specs/semconv/general/naming/ and /metrics/.
func problems(m *Metric) (list []string) {
	fail := func(text string) { list = append(list, text) }
	if !regexp.MustCompile(`^[a-z][a-z0-9]*([._][a-z0-9]+)*$`).MatchString(m.Name) {
		fail("a name is of lower case letters and digits, with dots between namespaces and underscores between words")
	}
	if !strings.Contains(m.Name, ".") {
		fail("a name begins with a namespace")
	}
	// UCUM: what is counted is in braces, in the singular; time is in seconds, sizes in bytes, without prefixes.
	if !regexp.MustCompile(`^(s|By|1|\{[a-z_]+\})?(/s)?$`).MatchString(m.Unit) {
		fail("the unit is none of s, By, 1, {thing}, or those per second")
	}
	if strings.HasPrefix(m.Unit, "{") && strings.HasSuffix(strings.TrimSuffix(m.Unit, "/s"), "s}") {
		fail("what is counted is in the singular")
	}
	words := strings.FieldsFunc(m.Name, func(r rune) bool { return r == '.' || r == '_' })
	for _, unit := range []string{"second", "seconds", "ms", "milliseconds", "bytes", "byte", "percent", "ratio"} {
		if slices.Contains(words, unit) {
			fail("a unit is not part of a name")
		}
	}
	for _, kind := range []string{"total", "count", "counter", "gauge", "histogram", "bucket", "sum"} {
		if words[len(words)-1] == kind {
			fail("neither a kind nor a suffix of Prometheus is part of a name")
		}
	}
	switch {
	case m.Kind == Counter && m.Unit == "":
		fail("what a counter counts is its unit")
	case m.Kind == Counter && m.Unit != "By" && strings.HasPrefix(m.Name, "tidegauge.") && m.Name != Exhausted && !strings.HasSuffix(m.Name, "s"):
		fail("a counter of things has their plural")
	case m.Kind == Histogram && m.Unit != "s":
		fail("the histograms here are of times, in seconds")
	case m.Kind == Histogram && strings.HasSuffix(m.Name, "s") && m.Name != Lateness:
		fail("what a histogram has is in the singular")
	}
	return list
}

func TestNamesPassOpenTelemetrysConventions(t *testing.T) {
	all := everything()
	names := map[string]bool{}
	for _, m := range all {
		for _, p := range problems(&m) {
			t.Errorf("%s, %s, unit %q: %s", m.Name, m.Kind, m.Unit, p)
		}
		names[m.Name] = true
		for _, l := range append(CommonLabels(), m.Labels...) {
			if !regexp.MustCompile(`^[a-z][a-z0-9]*([._][a-z0-9]+)*$`).MatchString(l) {
				t.Errorf("%s: label %q is not of lower case letters, digits, dots and underscores", m.Name, l)
			}
		}
	}
	for name := range names { // a.b is a metric or a namespace, not both
		for other := range names {
			if strings.HasPrefix(other, name+".") {
				t.Errorf("%s is a metric and a namespace of %s", name, other)
			}
		}
	}
}

// TestProblemsAreFound: each rule catches what is against it.
func TestProblemsAreFound(t *testing.T) {
	for _, m := range []Metric{
		{Name: "tidegauge.ResponseTime", Kind: Histogram, Unit: "s"},
		{Name: "tidegauge.response-time", Kind: Histogram, Unit: "s"},
		{Name: "requests", Kind: Counter, Unit: "{request}"},
		{Name: "tidegauge.requests", Kind: Counter, Unit: "requests"},
		{Name: "tidegauge.requests", Kind: Counter, Unit: "{requests}"},
		{Name: "tidegauge.response_time", Kind: Histogram, Unit: "ms"},
		{Name: "tidegauge.response_time_seconds", Kind: Histogram, Unit: "s"},
		{Name: "tidegauge.io.bytes", Kind: Counter, Unit: "By"},
		{Name: "tidegauge.requests_total", Kind: Counter, Unit: "{request}"},
		{Name: "tidegauge.requests", Kind: Counter},
		{Name: "tidegauge.request", Kind: Counter, Unit: "{request}"},
		{Name: "tidegauge.size", Kind: Histogram, Unit: "By"},
		{Name: "tidegauge.response_times", Kind: Histogram, Unit: "s"},
	} {
		if len(problems(&m)) == 0 {
			t.Errorf("%s, %s, unit %q: nothing is found", m.Name, m.Kind, m.Unit)
		}
	}
}
