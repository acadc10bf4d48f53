package report

import "strings"

var bars = []rune("▁▂▃▄▅▆▇█")

// spark draws values as a line of bars, from 0 to the greatest; a value below 0 stands for none and leaves a gap.
func spark(values []float64) string {
	var top float64
	for _, v := range values {
		top = max(top, v)
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case v < 0:
			b.WriteByte(' ')
		case top == 0:
			b.WriteRune(bars[0])
		default:
			b.WriteRune(bars[min(len(bars)-1, int(v/top*float64(len(bars))))])
		}
	}
	return b.String()
}

// columns spreads the points over at most n columns by time, and returns for each the greatest of value among its points,
// or -1 where there is none. Of peaks nothing is lost.
func columns(points []Point, n int, value func(*Point) float64) []float64 {
	if len(points) == 0 || n <= 0 {
		return nil
	}
	last := &points[len(points)-1]
	begin, length := points[0].At, last.At+last.Seconds-points[0].At
	n = min(n, len(points))
	out := make([]float64, n)
	for i := range out {
		out[i] = -1
	}
	for i := range points {
		p := &points[i]
		k := i
		if length > 0 {
			k = int((p.At + p.Seconds/2 - begin) / length * float64(n))
		}
		k = min(max(k, 0), n-1)
		out[k] = max(out[k], value(p))
	}
	// Points are not all equally long: a column in which none has its middle shows the one that covers the column's.
	for k, i := 0, 0; k < n && length > 0; k++ {
		middle := begin + (float64(k)+0.5)/float64(n)*length
		for i < len(points)-1 && points[i].At+points[i].Seconds < middle {
			i++
		}
		if out[k] < 0 && points[i].At <= middle {
			out[k] = value(&points[i])
		}
	}
	return out
}
