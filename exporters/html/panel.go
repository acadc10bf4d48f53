package html

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// panel is one picture. What is drawn lies in a box of 1000 by 100 that is stretched to the width there is; words lie over it, so that they
// are as large on a telephone as on paper.
type panel struct {
	ID      string
	Title   string
	Note    string
	Across  string // what the horizontal axis is, where it is not time
	Height  int    // pixels
	XTicks  []tick
	YTicks  []tick
	Bands   []band
	Cells   []heatLevel
	Areas   []shape
	Lines   []shape
	Dots    []shape
	Limits  []limit
	Ends    []label // of lines, at the right
	Words   []label // of bands, above
	Rows    int     // of words
	Hits    []hit
	Legend  []legend
	Summary string // for those who do not see it
	Table   *table // the same in numbers; nil: it is elsewhere

	x, y axis
}

// band is a stretch of the horizontal axis, in thousandths.
type band struct {
	X, Width string
	Class    string
	Title    string
}

// shape is a path.
type shape struct{ Path, Class string }

// limit is a value on the vertical axis.
type limit struct{ At, Label string }

// label is a word beside the picture.
type label struct {
	At    string // percent
	Width string // percent that it may take; empty: what it needs
	Row   int
	Text  string
	Class string
}

// hit is a column that says its values when pointed at.
type hit struct{ X, Width, Title string }

type legend struct{ Class, Text string }

type heatLevel struct {
	Level int
	Path  string
}

// point is a place in a picture; a Y that is not a number is a gap.
type point struct{ x, y float64 }

func (p *panel) px(x float64) string { return decimal(p.x.at(x)*1000, 1) }
func (p *panel) py(y float64) string { return decimal((1-p.y.at(y))*100, 2) }

// path draws lines from point to point; one that stands alone is a dot.
func (p *panel) path(points []point) string {
	var b strings.Builder
	drawn := 0 // points since the last gap
	for i, q := range points {
		if math.IsNaN(q.y) || math.IsInf(q.y, 0) {
			drawn = 0
			continue
		}
		if drawn == 0 {
			b.WriteByte('M')
		} else {
			b.WriteByte('L')
		}
		b.WriteString(p.px(q.x) + " " + p.py(q.y))
		if alone := i == len(points)-1 || math.IsNaN(points[i+1].y); alone && drawn == 0 {
			b.WriteString("h0")
		}
		drawn++
	}
	return b.String()
}

// area is a path closed along the bottom.
func (p *panel) area(points []point) string {
	var b strings.Builder
	open := false
	last := ""
	shut := func() {
		if open {
			b.WriteString("L" + last + " 100Z")
		}
		open = false
	}
	for _, q := range points {
		if math.IsNaN(q.y) {
			shut()
			continue
		}
		last = p.px(q.x)
		if !open {
			b.WriteString("M" + last + " 100")
			open = true
		}
		b.WriteString("L" + last + " " + p.py(q.y))
	}
	shut()
	return b.String()
}

// maxEnd is how long a name beside the picture can be; longer ones are above it.
const maxEnd = 5

// line adds a line and its name, at its right end if there is room.
func (p *panel) line(class, name string, points []point) {
	p.Lines = append(p.Lines, shape{p.path(points), class})
	if utf8.RuneCountInString(name) > maxEnd {
		p.Legend = append(p.Legend, legend{class, name})
		return
	}
	for i := len(points) - 1; i >= 0 && name != ""; i-- {
		if !math.IsNaN(points[i].y) {
			p.Ends = append(p.Ends, label{At: percent(1 - p.y.at(points[i].y)), Text: name, Class: class})
			break
		}
	}
}

// dots adds marks that keep their form in a stretched box: lines without length and with round ends.
func (p *panel) dots(class string, points []point) {
	var b strings.Builder
	for _, q := range points {
		if !math.IsNaN(q.y) {
			b.WriteString("M" + p.px(q.x) + " " + p.py(q.y) + "h0")
		}
	}
	if b.Len() > 0 {
		p.Dots = append(p.Dots, shape{b.String(), class})
	}
}

// band shades a stretch.
func (p *panel) band(from, to float64, class, title string) {
	x, end := p.x.at(from)*1000, p.x.at(to)*1000
	if to < p.x.low || from > p.x.high {
		return
	}
	p.Bands = append(p.Bands, band{decimal(x, 1), decimal(max(end-x, 1.2), 1), class, title})
}

// limit draws a value to read the others against.
func (p *panel) limit(v float64, name string) {
	if v > p.y.high || v < p.y.low {
		return
	}
	p.Limits = append(p.Limits, limit{percent(1 - p.y.at(v)), name})
}

// finish names the axes and moves words apart that would lie on each other.
func (p *panel) finish() {
	p.XTicks, p.YTicks = p.x.across(), p.y.ticks()
	const apart = 15 // pixels
	gap := apart * 100 / float64(max(p.Height, 1))
	slices.SortStableFunc(p.Ends, func(a, b label) int { return cmp.Compare(number(a.At), number(b.At)) })
	tops := make([]float64, len(p.Ends))
	for i := range p.Ends {
		tops[i] = number(p.Ends[i].At)
		if i > 0 {
			tops[i] = max(tops[i], tops[i-1]+gap)
		}
	}
	for i := len(tops) - 1; i >= 0; i-- { // and up again from the bottom
		limit := 100.0
		if i < len(tops)-1 {
			limit = tops[i+1] - gap
		}
		tops[i] = min(tops[i], limit)
		p.Ends[i].At = decimal(tops[i], 2)
	}
	p.arrange()
}

// arrange puts the words above the picture into rows, each with the room until the next one of its row.
func (p *panel) arrange() {
	const perRune, most = 0.75, 4 // percent of the width, about; rows
	slices.SortStableFunc(p.Words, func(a, b label) int { return cmp.Compare(number(a.At), number(b.At)) })
	var ends [most]float64
	last := [most]int{-1, -1, -1, -1}
	for i := range p.Words {
		w := &p.Words[i]
		at := number(w.At)
		row := 0
		for row < most-1 && ends[row] > at {
			row++
		}
		w.Row = row
		ends[row] = at + perRune*float64(len([]rune(w.Text))) + 1.5
		if k := last[row]; k >= 0 {
			p.Words[k].Width = decimal(max(at-number(p.Words[k].At)-0.5, 1), 2)
		}
		last[row] = i
		p.Rows = max(p.Rows, row+1)
	}
	for _, k := range last {
		if k >= 0 {
			p.Words[k].Width = decimal(max(100-number(p.Words[k].At), 1), 2)
		}
	}
}

// table is numbers with their names.
type table struct {
	Caption string
	Open    bool // not folded up
	Heads   []string
	Rows    [][]string
}
