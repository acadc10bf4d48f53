package otlp

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"tidegauge/engine/catalog"
	"tidegauge/engine/event"
)

// Events is an outlet.Exporter of the events of runs, as log records with the name of an event.
type Events struct {
	sender   sender
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
}

// Close ends the connections.
func (x *Events) Close() error { return x.sender.Close() }

// Export implements outlet.Exporter.
func (x *Events) Export(ctx context.Context, events []event.Event) error {
	list := make([]*logspb.LogRecord, len(events))
	for i := range events {
		list[i] = recordOf(&events[i])
	}
	request := &collectorpb.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{{
		Resource: x.resource, ScopeLogs: []*logspb.ScopeLogs{{Scope: x.scope, LogRecords: list}},
	}}}
	var response collectorpb.ExportLogsServiceResponse
	if err := x.sender.send(ctx, request, &response); err != nil {
		return err
	}
	p := response.GetPartialSuccess()
	if e := partial(p.GetRejectedLogRecords(), "log records", p.GetErrorMessage()); e != nil {
		return e
	}
	return nil
}

func recordOf(e *event.Event) *logspb.LogRecord {
	r := &logspb.LogRecord{
		TimeUnixNano: nanosecondsOf(e.Time), ObservedTimeUnixNano: nanosecondsOf(e.Time), EventName: "tidegauge.run." + string(e.Kind),
		SeverityNumber: logspb.SeverityNumber_SEVERITY_NUMBER_INFO, SeverityText: "INFO",
		Body: pair("", e.Text).Value,
	}
	switch e.Severity {
	case event.Warning:
		r.SeverityNumber, r.SeverityText = logspb.SeverityNumber_SEVERITY_NUMBER_WARN, "WARN"
	case event.Error:
		r.SeverityNumber, r.SeverityText = logspb.SeverityNumber_SEVERITY_NUMBER_ERROR, "ERROR"
	}
	add := func(name, value string) { r.Attributes = append(r.Attributes, pair(name, value)) }
	add(catalog.LabelRun, e.Run.ID)
	add(catalog.LabelPlan, e.Run.Plan)
	add(catalog.LabelTest, e.Run.Test)
	for _, name := range slices.Sorted(maps.Keys(e.Run.Labels)) {
		add(name, strings.ToValidUTF8(e.Run.Labels[name], "�"))
	}
	if !e.Since.IsZero() {
		add("tidegauge.since", e.Since.UTC().Format(time.RFC3339Nano))
	}
	return r
}
