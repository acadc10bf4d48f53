package grafana

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// grafanaSchema is made from Grafana's own types, with nothing allowed that they do not have: README.md says how.
func grafanaSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile("schema/dashboard.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, text []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestFilesFitGrafanasSchema(t *testing.T) {
	s := grafanaSchema(t)
	for name := range Files() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, s, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaIsStrict: the schema would find a slip in each part of a dashboard.
func TestSchemaIsStrict(t *testing.T) {
	s := grafanaSchema(t)
	run, err := os.ReadFile("run.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, slip := range map[string][2]string{
		"unknown key of the dashboard":   {`"graphTooltip"`, `"graphTooltips"`},
		"other schema version":           {`"schemaVersion": 42`, `"schemaVersion": 41`},
		"fixed data source":              {`"uid": "${datasource}"`, `"uid": "P1809F7CD0C75ACF3"`},
		"misspelt option":                {`"displayMode"`, `"display"`},
		"unknown value of an enum":       {`"displayMode": "table"`, `"displayMode": "tabular"`},
		"misspelt style of a line":       {`"fillOpacity": 5`, `"fillOpac": 5`},
		"option of another type":         {`"justifyMode"`, `"cellHeight"`},
		"text for a number":              {`"maxDataPoints": 120`, `"maxDataPoints": "120"`},
		"unknown format of a query":      {`"format": "heatmap"`, `"format": "heat"`},
		"unknown type of panel":          {`"type": "timeseries"`, `"type": "graph"`},
		"unknown setting of an override": {`"id": "custom.lineStyle"`, `"id": "custom.lineStile"`},
		"unknown kind of mapping":        {`"type": "value"`, `"type": "values"`},
		"unknown mode of color":          {`"mode": "palette-classic"`, `"mode": "palette"`},
		"unknown transformation":         {`"id": "organize"`, `"id": "organise"`},
		"query of a variable as text":    {`"qryType": 1`, `"qryType": "1"`},
	} {
		text := strings.ReplaceAll(string(run), slip[0], slip[1])
		if text == string(run) {
			t.Errorf("%s: %s is not in run.json", name, slip[0])
		}
		if validate(t, s, []byte(text)) == nil {
			t.Errorf("%s: %s fits the schema", name, slip[1])
		}
	}
}
