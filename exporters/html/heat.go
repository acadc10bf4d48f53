package html

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"tidegauge/engine/hist"
	"tidegauge/engine/interval"
	"tidegauge/engine/protocol"
	"tidegauge/engine/verdict"
)

const (
	heatColumns = 240
	heatRows    = 44
	heatLevels  = 9
	heatScale   = 4 // the finest: rows 4.4% apart
)

// column is a stretch of time of the heat map.
type column struct {
	from, to float64 // seconds
	response hist.Histogram
	service  hist.Histogram
}

// columnsOf merges intervals into at most heatColumns.
func columnsOf(intervals *interval.Log) ([]column, error) {
	each := (intervals.Len() + heatColumns - 1) / heatColumns
	var all []column
	n := 0
	for i, err := range intervals.All() {
		if err != nil {
			return nil, err
		}
		sum := i.Totals.Sum(&intervals.Names, nil)
		if n%each == 0 {
			all = append(all, column{from: i.From.Seconds()})
		}
		n++
		c := &all[len(all)-1]
		c.to = i.To.Seconds()
		c.response.Merge(&sum.ResponseTime)
		c.service.Merge(&sum.ServiceTime)
	}
	return all, nil
}

// heatMap shows how many requests took how long when.
func heatMap(columns []column, seconds float64) *panel {
	var all hist.Histogram
	for i := range columns {
		all.Merge(&columns[i].response)
	}
	if all.Count() == 0 || !(all.Max() > 0) {
		return nil
	}
	scale := heatScale
	b := all.Buckets(scale)
	for len(b.Counts) > heatRows && scale > -2 {
		scale--
		b = all.Buckets(scale)
	}
	bound := func(i int) float64 { return math.Exp2(float64(i) * math.Exp2(-float64(scale))) }
	p := &panel{ID: "heat", Title: "How long requests took", Height: 220, x: timeAxis(seconds)}
	p.y = axis{low: bound(b.Offset), high: bound(b.Offset + len(b.Counts)), log: true, unit: "s"}
	// Per second and row, so that columns and ranges of other widths look alike.
	most := 0.0
	eachCell(columns, scale, func(c *column, _ int, n uint64) { most = max(most, float64(n)/(c.to-c.from)) })
	paths := make([]strings.Builder, heatLevels)
	eachCell(columns, scale, func(c *column, row int, n uint64) {
		level := min(int(math.Sqrt(float64(n)/(c.to-c.from)/most)*heatLevels), heatLevels-1)
		x, end := p.x.at(c.from)*1000, p.x.at(c.to)*1000
		top := (1 - p.y.at(bound(row+1))) * 100
		fmt.Fprintf(&paths[level], "M%s %sh%sv%sH%sz", decimal(x, 1), decimal(top, 2), decimal(end-x, 1), decimal((1-p.y.at(bound(row)))*100-top, 2), decimal(x, 1))
	})
	for i := range paths {
		if paths[i].Len() > 0 {
			p.Cells = append(p.Cells, heatLevel{i + 1, paths[i].String()})
		}
	}
	p.Note = fmt.Sprintf("all requests, response time; the strongest colour is %s in a cell; logarithmic", verdict.Format(most, "1/s"))
	p.Summary = fmt.Sprintf("Heat map of response times: from %s to %s over %s.", verdict.Format(all.Min(), "s"), verdict.Format(all.Max(), "s"), clock(seconds))
	p.finish()
	return p
}

func eachCell(columns []column, scale int, use func(c *column, row int, n uint64)) {
	for i := range columns {
		c := &columns[i]
		if !(c.to > c.from) {
			continue
		}
		b := c.response.Buckets(scale)
		for k, n := range b.Counts {
			if n > 0 {
				use(c, b.Offset+k, n)
			}
		}
	}
}

// courses returns p95 of each request over time, in the order of the names of the intervals, for small pictures.
func courses(intervals *interval.Log, points int) ([][]point, error) {
	each := max((intervals.Len()+points-1)/points, 1)
	out := make([][]point, len(intervals.Names.Requests))
	sums := make([]hist.Histogram, len(out))
	n, from := 0, 0.0
	for i, err := range intervals.All() {
		if err != nil {
			return nil, err
		}
		if n%each == 0 {
			from = i.From.Seconds()
		}
		n++
		for k := range sums {
			for o := range i.Totals.Requests[k].Outcomes {
				if protocol.Outcome(o) != protocol.Cut {
					sums[k].Merge(&i.Totals.Requests[k].Outcomes[o].ResponseTime)
				}
			}
		}
		if n%each != 0 && n != intervals.Len() {
			continue
		}
		for k := range sums {
			y := math.NaN()
			if sums[k].Count() > 0 {
				y = sums[k].Quantile(0.95)
			}
			out[k] = append(out[k], point{(from + i.To.Seconds()) / 2, y})
			sums[k].Reset()
		}
	}
	return out, nil
}

// sparkline draws points in a box of 100 by 24.
func sparkline(points []point, seconds float64) string {
	top := 0.0
	for _, q := range points {
		if !math.IsNaN(q.y) {
			top = max(top, q.y)
		}
	}
	if top == 0 || !slices.ContainsFunc(points, func(q point) bool { return !math.IsNaN(q.y) }) {
		return ""
	}
	p := panel{x: axis{high: seconds}, y: axis{high: top * 1.05}}
	return p.path(points)
}
