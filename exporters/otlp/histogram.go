package otlp

import (
	"errors"
	"fmt"
	"math"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// noRecordedValue is OTLP's staleness marker.
const noRecordedValue = uint32(metricspb.DataPointFlags_DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK)

// maxBuckets is the longest list of buckets that is sent. OTLP has no gaps in it; a histogram over a wider range gets
// coarser buckets, as OpenTelemetry's own do.
const maxBuckets = 1 << 14

// whole returns a count as OTLP has it.
func whole(f float64) (uint64, error) {
	if !(f >= 0) || f >= 1<<63 || f != math.Trunc(f) {
		return 0, fmt.Errorf("a histogram with the count %v: OTLP has whole numbers only", f)
	}
	return uint64(f), nil
}

// exponential returns the data point of a native histogram.
func exponential(s *outlet.Sample, attributes []*commonpb.KeyValue, start uint64) (*metricspb.ExponentialHistogramDataPoint, error) {
	h := s.Histogram
	p := &metricspb.ExponentialHistogramDataPoint{Attributes: attributes, StartTimeUnixNano: start, TimeUnixNano: nanoseconds(s.Time), Exemplars: exemplars(s)}
	if s.Stale() {
		p.Flags = noRecordedValue
		return p, nil
	}
	if h.Gauge {
		return nil, errors.New("a histogram that is a gauge: OTLP has cumulative ones only")
	}
	var problems [4]error
	p.Sum, p.Scale, p.ZeroThreshold = &h.Sum, h.Schema, h.ZeroThreshold
	p.Count, problems[0] = whole(h.Count)
	p.ZeroCount, problems[1] = whole(h.ZeroCount)
	down := 0
	for tooWide(h.Positive, down) || tooWide(h.Negative, down) {
		down++
	}
	p.Scale -= int32(down)
	p.Positive, problems[2] = dense(h.Positive, down)
	p.Negative, problems[3] = dense(h.Negative, down)
	return p, errors.Join(problems[:]...)
}

// lower returns the index by which OTLP counts a bucket: of its lower bound, Prometheus's is of the upper one; after
// merging 2^down buckets to one.
func lower(index int32, down int) int64 { return (int64(index) - 1) >> down }

func tooWide(buckets []store.Bucket, down int) bool {
	return len(buckets) > 0 && lower(buckets[len(buckets)-1].Index, down)-lower(buckets[0].Index, down) >= maxBuckets
}

// dense returns buckets as a list without gaps.
func dense(buckets []store.Bucket, down int) (*metricspb.ExponentialHistogramDataPoint_Buckets, error) {
	if len(buckets) == 0 {
		return nil, nil
	}
	first, last := lower(buckets[0].Index, down), lower(buckets[len(buckets)-1].Index, down)
	if first < math.MinInt32 || last < first {
		return nil, errors.New("a histogram with a bucket that OTLP cannot have")
	}
	b := &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: int32(first), BucketCounts: make([]uint64, last-first+1)}
	for i, one := range buckets {
		n, err := whole(one.Count)
		if err != nil {
			return nil, err
		}
		if i > 0 && one.Index <= buckets[i-1].Index {
			return nil, errors.New("a histogram whose buckets are not in order")
		}
		b.BucketCounts[lower(one.Index, down)-first] += n
	}
	return b, nil
}

// explicit returns the data point of a histogram whose bounds are a list.
func explicit(s *outlet.Sample, attributes []*commonpb.KeyValue) (*metricspb.HistogramDataPoint, error) {
	h := s.Histogram
	if h.Gauge {
		return nil, errors.New("a histogram that is a gauge: OTLP has cumulative ones only")
	}
	p := &metricspb.HistogramDataPoint{Attributes: attributes, TimeUnixNano: nanoseconds(s.Time), Sum: &h.Sum, ExplicitBounds: h.Custom, Exemplars: exemplars(s)}
	var err error
	if p.Count, err = whole(h.Count); err != nil {
		return nil, err
	}
	p.BucketCounts = make([]uint64, len(h.Custom)+1)
	for _, b := range h.Positive {
		if b.Index < 0 || int(b.Index) > len(h.Custom) {
			return nil, fmt.Errorf("a histogram with %d bounds has a bucket %d", len(h.Custom), b.Index)
		}
		if p.BucketCounts[b.Index], err = whole(b.Count); err != nil {
			return nil, err
		}
	}
	return p, nil
}
