// Package grafana makes Grafana dashboards of the metrics in package catalog, and alert rules, for data sources of type Prometheus
// and, of one run, InfluxDB.
//
// The JSON beside it is what `go generate ./grafana` writes; README.md says how to use it.
package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
)

//go:generate go test -run ^TestCommittedFiles -update .

// Files returns the dashboards by the names of their files.
func Files() map[string]Dashboard {
	return map[string]Dashboard{"run.json": Run(), "runs.json": Runs(), "compare.json": Compare(), "daemon.json": Daemon(), "run-influxdb.json": InfluxRun()}
}

// JSON returns the dashboard as Grafana imports and provisions it.
func (d *Dashboard) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // PromQL and links stay legible
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("writing dashboard %s: %w", d.UID, err)
	}
	return b.Bytes(), nil
}
