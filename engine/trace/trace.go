// Package trace gives requests their place in distributed traces: W3C trace context, sampling, and spans to export.
package trace
