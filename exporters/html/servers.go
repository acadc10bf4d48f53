package html

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tidegauge/engine/report"
)

// serversView is what the servers under test showed of themselves.
type serversView struct {
	Targets []targetView
	Panels  []*panel
	XTicks  []tick
	Table   *table
}

type targetView struct {
	Name, Scrapes, Up, Samples, Error string
	Outcome                           outcome
}

// maxServerLines is how many servers one picture tells apart.
const maxServerLines = 4

func serversOf(r *report.Report) *serversView {
	if len(r.Servers) == 0 && len(r.Resources) == 0 {
		return nil
	}
	v := &serversView{}
	for i := range r.Servers {
		s := &r.Servers[i]
		t := targetView{Name: report.Clean(s.Job + " " + s.Instance), Scrapes: fmt.Sprint(s.Scrapes), Up: share(uint64(max(s.Up, 0)), uint64(max(s.Scrapes, 0))), Samples: fmt.Sprint(s.Samples),
			Error: cut(report.Clean(s.LastError)), Outcome: outcome{"pass", "✓", "always answered"}}
		if s.Scrapes == 0 || s.Up < s.Scrapes {
			t.Outcome = outcome{"open", "?", "did not always answer"}
		}
		v.Targets = append(v.Targets, t)
	}
	var names []string
	by := map[string][]*report.Resource{}
	for i := range r.Resources {
		one := &r.Resources[i]
		if by[one.Name] == nil {
			names = append(names, one.Name)
		}
		by[one.Name] = append(by[one.Name], one)
	}
	x := timeAxis(r.Seconds)
	v.XTicks = x.across()
	broken := disturbances(r)
	for i, name := range names {
		p := resource(fmt.Sprintf("server-%d", i), name, by[name], r.Seconds)
		if p == nil {
			continue
		}
		for _, d := range broken {
			p.band(d.from, d.to, "fault", d.text)
		}
		v.Panels = append(v.Panels, p)
	}
	v.Table = resourceTable(r)
	return v
}

func pointsOf(s *report.Resource) []point {
	all := make([]point, len(s.Values))
	for i, y := range s.Values {
		all[i] = point{s.At + float64(i)*s.Step, math.NaN()}
		if y != nil {
			all[i].y = *y
		}
	}
	return all
}

func resource(id, name string, of []*report.Resource, seconds float64) *panel {
	p := &panel{ID: id, Title: titleOf(name), Height: 96, x: timeAxis(seconds)}
	shown := of[:min(len(of), maxServerLines)]
	var lists [][]point
	for _, s := range shown {
		lists = append(lists, pointsOf(s))
	}
	all := valuesOf(lists...)
	if len(all) == 0 {
		return nil
	}
	if limit := of[0].Limit; limit != nil && *limit <= 2*greatest(all) {
		all = append(all, *limit)
	}
	p.y = valueAxis(all, of[0].Unit, false)
	for i, s := range shown {
		label := ""
		if len(shown) > 1 {
			label = fmt.Sprintf("%c", 'A'+i)
			p.Legend = append(p.Legend, legend{fmt.Sprintf("a%d", i+1), label + " " + report.Clean(s.Server)})
		}
		p.line(fmt.Sprintf("a%d", i+1), label, lists[i])
	}
	if limit := of[0].Limit; limit != nil {
		p.limit(*limit, "limit")
		p.Note = "limit " + amount(*limit, of[0].Unit)
	}
	if len(of) > len(shown) {
		p.Note = fmt.Sprintf("%d of %d servers", len(shown), len(of))
	}
	p.Summary = fmt.Sprintf("Line chart of %s over the run.", report.Clean(name))
	p.finish()
	return p
}

// titleOf names a resource for people: presets are named as in plans.
func titleOf(name string) string {
	name = strings.ReplaceAll(report.Clean(name), "-", " ")
	if rest, ok := strings.CutPrefix(name, "cpu "); ok {
		return "CPU " + rest
	}
	return capital(name)
}

func resourceTable(r *report.Report) *table {
	if len(r.Resources) == 0 {
		return nil
	}
	t := &table{Heads: []string{"metric", "server", "first", "least", "mean", "greatest", "last", "limit"}}
	for i := range r.Resources {
		s := &r.Resources[i]
		all := valuesOf(pointsOf(s))
		if len(all) == 0 {
			continue
		}
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		limit := "–"
		if s.Limit != nil {
			limit = amount(*s.Limit, s.Unit)
		}
		row := []string{report.Clean(s.Name), report.Clean(s.Server)}
		for _, v := range []float64{all[0], slices.Min(all), sum / float64(len(all)), slices.Max(all), all[len(all)-1]} {
			row = append(row, amount(v, s.Unit))
		}
		t.Rows = append(t.Rows, append(row, limit))
	}
	return t
}
