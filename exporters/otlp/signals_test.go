package otlp

import (
	"slices"
	"testing"
)

// TestSignalsOfTheEnvironment: variables that name where some signals go send these alone, and a store of metrics gets no events.
func TestSignalsOfTheEnvironment(t *testing.T) {
	all := []string{"METRICS", "TRACES", "LOGS"}
	const e = "OTEL_EXPORTER_OTLP_"
	for _, test := range []struct {
		env  map[string]string
		want []string
	}{
		{nil, all},
		{map[string]string{e + "ENDPOINT": "http://c:4318"}, all},
		{map[string]string{e + "ENDPOINT": "c:4317", e + "PROTOCOL": "grpc"}, all},
		{map[string]string{e + "ENDPOINT": "http://p:9090/api/v1/otlp/"}, all[:1]},
		{map[string]string{e + "ENDPOINT": "http://p:9090/api/v1/otlp", e + "TRACES_ENDPOINT": "http://t:4318/v1/traces"}, all[:2]},
		{map[string]string{e + "METRICS_ENDPOINT": "http://p:9090/api/v1/otlp/v1/metrics"}, all[:1]},
		{map[string]string{e + "TRACES_ENDPOINT": "http://t:4318/v1/traces", e + "LOGS_ENDPOINT": "http://t:4318/v1/logs"}, all[1:]},
	} {
		env := func(name string) (string, bool) { v, ok := test.env[name]; return v, ok }
		d, err := New("", env, Self{})
		if err != nil {
			t.Errorf("%v: %v", test.env, err)
			continue
		}
		var got []string
		for i, has := range []bool{d.Metrics != nil, d.Spans != nil, d.Events != nil} {
			if has {
				got = append(got, all[i])
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v: sends %v, want %v", test.env, got, test.want)
		}
	}
}
