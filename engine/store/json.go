package store

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// The JSON of query results, as https://prometheus.io/docs/prometheus/latest/querying/api/ has it: a time is seconds with
// milliseconds behind the point, a value is a string, since JSON's numbers have no NaN and no Inf.

func appendResult(b []byte, v parser.Value) ([]byte, error) {
	switch v := v.(type) {
	case promql.Scalar:
		return appendPoint(b, v.T, v.V), nil
	case promql.String:
		b = append(appendTime(append(b, '['), v.T), ',')
		return append(appendString(b, v.V), ']'), nil
	case promql.Vector:
		return appendVector(b, v), nil
	case promql.Matrix:
		return appendMatrix(b, v), nil
	}
	return b, fmt.Errorf("no JSON for a result of type %T", v)
}

func appendVector(b []byte, v promql.Vector) []byte {
	b = append(b, '[')
	for i, s := range v {
		b = appendComma(b, i)
		b = appendLabels(append(b, `{"metric":`...), s.Metric)
		if s.H != nil {
			b = appendHistogramPoint(append(b, `,"histogram":`...), s.T, s.H)
		} else {
			b = appendPoint(append(b, `,"value":`...), s.T, s.F)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendMatrix(b []byte, m promql.Matrix) []byte {
	b = append(b, '[')
	for i, s := range m {
		b = appendComma(b, i)
		b = appendLabels(append(b, `{"metric":`...), s.Metric)
		if len(s.Floats) > 0 {
			b = append(b, `,"values":[`...)
			for j, p := range s.Floats {
				b = appendPoint(appendComma(b, j), p.T, p.F)
			}
			b = append(b, ']')
		}
		if len(s.Histograms) > 0 {
			b = append(b, `,"histograms":[`...)
			for j, p := range s.Histograms {
				b = appendHistogramPoint(appendComma(b, j), p.T, p.H)
			}
			b = append(b, ']')
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func appendComma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

func appendPoint(b []byte, t int64, v float64) []byte {
	b = append(appendTime(append(b, '['), t), ',')
	return append(appendFloat(b, v), ']')
}

func appendHistogramPoint(b []byte, t int64, h *histogram.FloatHistogram) []byte {
	b = append(appendTime(append(b, '['), t), ',')
	b = appendFloat(append(b, `{"count":`...), h.Count)
	b = appendFloat(append(b, `,"sum":`...), h.Sum)
	n := 0
	for it := h.AllBucketIterator(); it.Next(); {
		bucket := it.At()
		if bucket.Count == 0 {
			continue
		}
		if n == 0 {
			b = append(b, `,"buckets":[`...)
		}
		b = append(appendComma(b, n), '[')
		b = append(strconv.AppendInt(b, boundaries(bucket), 10), ',')
		b = append(appendFloat(b, bucket.Lower), ',')
		b = append(appendFloat(b, bucket.Upper), ',')
		b = append(appendFloat(b, bucket.Count), ']')
		n++
	}
	if n > 0 {
		b = append(b, ']')
	}
	return append(b, '}', ']')
}

// boundaries is the API's code for which ends of a bucket belong to it: 0 the upper, 1 the lower, 2 neither, 3 both.
func boundaries(b histogram.Bucket[float64]) int64 {
	switch {
	case b.LowerInclusive && b.UpperInclusive:
		return 3
	case b.LowerInclusive:
		return 1
	case b.UpperInclusive:
		return 0
	}
	return 2
}

func appendTime(b []byte, ms int64) []byte {
	return strconv.AppendFloat(b, float64(ms)/1000, 'f', -1, 64)
}

func appendFloat(b []byte, v float64) []byte {
	format := byte('f')
	if abs := math.Abs(v); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	b = strconv.AppendFloat(append(b, '"'), v, format, -1, 64)
	return append(b, '"')
}

func appendLabels(b []byte, l labels.Labels) []byte {
	b = append(b, '{')
	i := 0
	l.Range(func(l labels.Label) {
		b = append(appendString(appendComma(b, i), l.Name), ':')
		b = appendString(b, l.Value)
		i++
	})
	return append(b, '}')
}

func appendString(b []byte, s string) []byte {
	text, err := json.Marshal(s)
	if err != nil { // a string always has a JSON form
		return append(b, `""`...)
	}
	return append(b, text...)
}
