package exporters

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
)

// sentIn reads a request of any kind: its samples by series and time, markers among them.
func sentIn(r *http.Request) (keys []string, err error) {
	if strings.HasPrefix(r.URL.Path, "/api/v2/write") {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(unzipped)
		return strings.Split(strings.TrimSpace(string(text)), "\n"), err
	}
	if strings.HasSuffix(r.URL.Path, "/v1/metrics") {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		return dataPoints(unzipped)
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	if err != nil {
		return nil, err
	}
	add := func(labels map[string]string, at int64, marker bool) {
		keys = append(keys, fmt.Sprint(seriesKey(labels), at, marker))
	}
	if strings.Contains(r.Header.Get("Content-Type"), "write.v2") {
		var request writev2.Request
		err = request.Unmarshal(body)
		for _, s := range request.Timeseries {
			labels := map[string]string{}
			for i := 0; i < len(s.LabelsRefs); i += 2 {
				labels[request.Symbols[s.LabelsRefs[i]]] = request.Symbols[s.LabelsRefs[i+1]]
			}
			for _, p := range s.Samples {
				add(labels, p.Timestamp, stale(p.Value))
			}
			for _, p := range s.Histograms {
				add(labels, p.Timestamp, stale(p.Sum))
			}
		}
		return keys, err
	}
	var request prompb.WriteRequest
	err = request.Unmarshal(body)
	for _, s := range request.Timeseries {
		labels := map[string]string{}
		for _, l := range s.Labels {
			labels[l.Name] = l.Value
		}
		for _, p := range s.Samples {
			add(labels, p.Timestamp, stale(p.Value))
		}
		for _, p := range s.Histograms {
			add(labels, p.Timestamp, stale(p.Sum))
		}
	}
	return keys, err
}

// dataPoints reads a request of OTLP: its data points by series and time, markers among them, and the description of a
// resource as the sample that it was.
func dataPoints(body io.Reader) (keys []string, err error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	m, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(text)
	if err != nil {
		return nil, err
	}
	for _, rm := range m.ResourceMetrics().All() {
		resource, at := fmt.Sprint(rm.Resource().Attributes().AsRaw()), pcommon.Timestamp(0)
		add := func(name string, attributes pcommon.Map, time pcommon.Timestamp, flags pmetric.DataPointFlags) {
			at = time
			keys = append(keys, fmt.Sprint(strings.ReplaceAll(name, ".", "_"), resource, attributes.AsRaw(), time, flags.NoRecordedValue()))
		}
		for _, sm := range rm.ScopeMetrics().All() {
			for _, one := range sm.Metrics().All() {
				switch one.Type() {
				case pmetric.MetricTypeGauge:
					for _, p := range one.Gauge().DataPoints().All() {
						add(one.Name(), p.Attributes(), p.Timestamp(), p.Flags())
					}
				case pmetric.MetricTypeSum:
					for _, p := range one.Sum().DataPoints().All() {
						add(one.Name(), p.Attributes(), p.Timestamp(), p.Flags())
					}
				case pmetric.MetricTypeExponentialHistogram:
					for _, p := range one.ExponentialHistogram().DataPoints().All() {
						add(one.Name(), p.Attributes(), p.Timestamp(), p.Flags())
					}
				default:
					return nil, fmt.Errorf("%s is %v, which the store has not", one.Name(), one.Type())
				}
			}
		}
		if _, described := rm.Resource().Attributes().Get("service.version"); described {
			keys = append(keys, fmt.Sprint("target_info", resource, at, false))
		}
	}
	return keys, nil
}
