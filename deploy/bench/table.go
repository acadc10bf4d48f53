//go:build linux

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// writeTable writes what the tools used in one scenario of the given length, as medians over the rounds. The ratio is that
// of the processor time per request to the first tool's of the table that was measured.
func writeTable(w io.Writer, s scenario, length time.Duration, tools []tool, results map[string][]result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	header := "tool\trequests\tCPU/request\tratio\tpeak memory\t"
	if s.rate > 0 {
		header += "of those due\tlate p50\tp99\tmax\t"
	}
	_, _ = fmt.Fprintf(w, "\n%s\n", s.title())
	_, _ = fmt.Fprintln(t, header)
	var notes []string
	base := 0.0
	for _, tool := range tools {
		if s.rate > 0 && !tool.open {
			continue
		}
		notes = append(notes, notesOf(tool.name, results[tool.name])...)
		good := slices.DeleteFunc(slices.Clone(results[tool.name]), func(r result) bool { return r.err != nil })
		if len(good) == 0 {
			_, _ = fmt.Fprintln(t, tool.name+strings.Repeat("\t–", strings.Count(header, "\t")-1)+"\t")
			continue
		}
		cost := medianOf(good, func(r result) float64 { return r.perRequest().Seconds() })
		if base == 0 {
			base = cost
		}
		requests := medianOf(good, func(r result) float64 { return float64(r.requests) })
		memory := medianOf(good, func(r result) float64 { return float64(r.memory) })
		row := fmt.Sprintf("%s\t%s\t%.1f µs\t%.2f\t%.0f MiB\t", tool.name, thousands(int(requests)), cost*1e6, cost/base, memory/(1<<20))
		if s.rate > 0 {
			ms := func(part func(lateness) time.Duration) float64 {
				return 1e3 * medianOf(good, func(r result) float64 { return part(r.lateness).Seconds() })
			}
			row += fmt.Sprintf("%.1f%%\t%.0f ms\t%.0f ms\t%.0f ms\t", 100*requests/(float64(s.rate)*length.Seconds()),
				ms(func(l lateness) time.Duration { return l.p50 }),
				ms(func(l lateness) time.Duration { return l.p99 }),
				ms(func(l lateness) time.Duration { return l.max }))
		}
		_, _ = fmt.Fprintln(t, row)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	for _, note := range notes {
		if _, err := fmt.Fprintln(w, "  "+note); err != nil {
			return fmt.Errorf("writing a table: %w", err)
		}
	}
	return nil
}

// notesOf says what is to be known about the figures of a tool, and why some are not there.
func notesOf(name string, results []result) []string {
	var notes []string
	for i, r := range results {
		switch {
		case r.err != nil:
			notes = append(notes, fmt.Sprintf("%s, round %d: failed: %v", name, i+1, r.err))
		case r.note != "":
			notes = append(notes, fmt.Sprintf("%s, round %d: %s", name, i+1, r.note))
		}
	}
	return notes
}

// medianOf returns the median of a figure of the results; of two in the middle, their mean.
func medianOf(results []result, figure func(result) float64) float64 {
	all := make([]float64, len(results))
	for i, r := range results {
		all[i] = figure(r)
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// thousands writes a whole number with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
