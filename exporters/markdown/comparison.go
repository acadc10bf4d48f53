package markdown

import (
	"fmt"
	"io"
	"strings"

	"tidegauge/engine/compare"
	"tidegauge/engine/stat"
	"tidegauge/engine/verdict"
)

// WriteComparison writes a comparison.
func WriteComparison(w io.Writer, c *compare.Comparison) error {
	var b strings.Builder
	of := compare.VersionText(c.Version, c.Commit)
	if of != "" {
		of = " (" + escape(of) + ")"
	}
	fmt.Fprintf(&b, "### %s tidegauge: %s\n\n%s.\n\nRun %s%s against %s.\n", signOf(c.Verdict), c.Verdict, escape(capital(c.Summary)), code(c.Run), of, escape(c.Baseline))
	comparisonTable(&b, c)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write comparison of run %s: %w", c.Run, err)
	}
	return nil
}

func signOf(j stat.Judgement) string {
	switch j {
	case stat.Regression:
		return "❌"
	case stat.Passed:
		return "✅"
	case stat.Improvement:
		return "🎉"
	default:
		return "⚠️"
	}
}

func comparisonTable(b *strings.Builder, c *compare.Comparison) {
	if len(c.Rows) > 0 {
		b.WriteString("\n| | metric | before | now | change | 95% interval | would see |\n|---|---|---:|---:|---:|---:|---:|\n")
	}
	value := func(v *float64, unit string) string {
		if v == nil {
			return "-"
		}
		return verdict.Format(*v, unit)
	}
	for i := range c.Rows {
		r := &c.Rows[i]
		if !r.Telling() {
			continue
		}
		in := ""
		if r.Low != nil && r.High != nil {
			in = compare.Percent(r.Low) + " … " + compare.Percent(r.High)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", r.Verdict, escape(r.Name()), value(r.Before, r.Unit), value(r.After, r.Unit),
			compare.Percent(r.Change), in, compare.Percent(r.Detectable))
	}
	if x := c.Explanation; x != nil && x.Text != "" {
		fmt.Fprintf(b, "\n**What changed with it**: %s.\n", escape(x.Text))
		for i := range x.Traces {
			kind := "ordinary"
			if x.Traces[i].Slow {
				kind = "slow"
			}
			fmt.Fprintf(b, "* %s: trace %s, %s, %s\n", kind, code(x.Traces[i].ID), verdict.Format(x.Traces[i].Seconds, "s"), escape(x.Traces[i].Request))
		}
	}
	warnings(b, c.Warnings)
}
