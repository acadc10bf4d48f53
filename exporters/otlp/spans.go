package otlp

import (
	"context"
	"fmt"
	"strings"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"tidegauge/engine/trace"
)

// schemaURL names the semantic conventions that the attributes of spans follow.
const schemaURL = "https://opentelemetry.io/schemas/1.43.0"

// Spans is an outlet.Exporter of spans.
type Spans struct {
	sender   sender
	resource *resourcepb.Resource
	scope    *commonpb.InstrumentationScope
}

// Close ends the connections.
func (x *Spans) Close() error { return x.sender.Close() }

// Export implements outlet.Exporter.
func (x *Spans) Export(ctx context.Context, spans []trace.Span) error {
	list := make([]*tracepb.Span, len(spans))
	for i := range spans {
		list[i] = spanOf(&spans[i])
	}
	request := &collectorpb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: x.resource, SchemaUrl: schemaURL,
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: x.scope, SchemaUrl: schemaURL, Spans: list}},
	}}}
	var response collectorpb.ExportTraceServiceResponse
	if err := x.sender.send(ctx, request, &response); err != nil {
		return err
	}
	p := response.GetPartialSuccess()
	if e := partial(p.GetRejectedSpans(), "spans", p.GetErrorMessage()); e != nil {
		return e
	}
	return nil
}

func spanOf(s *trace.Span) *tracepb.Span {
	p := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Flags: uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK),
		Name: strings.ToValidUTF8(s.Label(), "�"), Kind: tracepb.Span_SPAN_KIND_CLIENT,
		StartTimeUnixNano: nanosecondsOf(s.Start), EndTimeUnixNano: nanosecondsOf(s.End),
		Attributes: attributesOf(s.Attributes()),
	}
	if s.Parent != [8]byte{} {
		p.ParentSpanId = s.Parent[:]
	}
	if s.Sampled {
		p.Flags |= 1 // of W3C trace context
	}
	if s.Kind == trace.Iteration {
		p.Kind = tracepb.Span_SPAN_KIND_INTERNAL
	}
	if s.Failed() {
		p.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: strings.ToValidUTF8(s.Detail, "�")}
	}
	for _, e := range s.Events() {
		p.Events = append(p.Events, &tracepb.Span_Event{TimeUnixNano: nanosecondsOf(e.Time), Name: e.Name, Attributes: attributesOf(e.Attributes)})
	}
	return p
}

func attributesOf(attributes []trace.Attribute) []*commonpb.KeyValue {
	list := make([]*commonpb.KeyValue, len(attributes))
	for i, a := range attributes {
		list[i] = &commonpb.KeyValue{Key: strings.ToValidUTF8(a.Key, "�"), Value: &commonpb.AnyValue{}}
		switch v := a.Value.(type) {
		case int64:
			list[i].Value.Value = &commonpb.AnyValue_IntValue{IntValue: v}
		case float64:
			list[i].Value.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: v}
		case bool:
			list[i].Value.Value = &commonpb.AnyValue_BoolValue{BoolValue: v}
		default:
			list[i].Value.Value = &commonpb.AnyValue_StringValue{StringValue: strings.ToValidUTF8(fmt.Sprint(v), "�")}
		}
	}
	return list
}

// nanosecondsOf returns a time as OTLP has it, 0 for none.
func nanosecondsOf(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(0, t.UnixNano()))
}
