package grafana

import (
	"bytes"
	"os"
	"slices"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// read decodes a provisioning file; a key that is not in v is an error.
func read(t *testing.T, file string, v any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// TestProvisionedDatasource: the data source is one that the dashboards' variable offers, without an uid to depend on, and
// takes its address from the environment.
func TestProvisionedDatasource(t *testing.T) {
	var file struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			Editable                     bool
			JSONData                     struct {
				HTTPMethod   string `yaml:"httpMethod"`
				TimeInterval string `yaml:"timeInterval"`
				ManageAlerts bool   `yaml:"manageAlerts"`
			} `yaml:"jsonData"`
		}
	}
	read(t, "provisioning/datasources/tidegauge.yaml", &file)
	if file.APIVersion != 1 || len(file.Datasources) != 1 {
		t.Fatalf("version %d, %d data sources", file.APIVersion, len(file.Datasources))
	}
	d := file.Datasources[0]
	interval, err := time.ParseDuration(d.JSONData.TimeInterval)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range Files() {
		if got := one.Templating.List[0].Query; got != d.Type && one.UID != influxUID {
			t.Errorf("%s offers data sources of type %v, provisioned is one of type %s", one.UID, got, d.Type)
		}
	}
	if d.UID != DatasourceUID || d.URL != "${TIDEGAUGE_URL}" || d.Access != "proxy" || interval != time.Second || !slices.Contains([]string{"GET", "POST"}, d.JSONData.HTTPMethod) {
		t.Errorf("data source %+v", d)
	}
}

// TestProvisionedInfluxDB: the data source speaks InfluxQL to the bucket of the compose file, with address and token out of
// the environment, and the dashboard of runs in an InfluxDB offers it.
func TestProvisionedInfluxDB(t *testing.T) {
	var file struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name, UID, Type, Access, URL string
			Editable                     bool
			JSONData                     struct {
				Version         string
				DBName          string `yaml:"dbName"`
				HTTPMode        string `yaml:"httpMode"`
				TimeInterval    string `yaml:"timeInterval"`
				HTTPHeaderName1 string `yaml:"httpHeaderName1"`
			} `yaml:"jsonData"`
			Secure struct {
				HTTPHeaderValue1 string `yaml:"httpHeaderValue1"`
			} `yaml:"secureJsonData"`
		}
	}
	read(t, "provisioning/datasources/influxdb.yaml", &file)
	if file.APIVersion != 1 || len(file.Datasources) != 1 {
		t.Fatalf("version %d, %d data sources", file.APIVersion, len(file.Datasources))
	}
	d := file.Datasources[0]
	board := InfluxRun()
	if board.Templating.List[0].Query != d.Type || d.Access != "proxy" || d.URL != "${TIDEGAUGE_INFLUX_URL}" || d.JSONData.Version != "InfluxQL" ||
		d.JSONData.HTTPHeaderName1 != "Authorization" || d.Secure.HTTPHeaderValue1 != "Token ${TIDEGAUGE_INFLUX_TOKEN}" || d.JSONData.TimeInterval != "1s" {
		t.Errorf("data source %+v", d)
	}
}

func TestProvisionedDashboards(t *testing.T) {
	var file struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name, Type, Folder string
			AllowUIUpdates     bool `yaml:"allowUiUpdates"`
			Interval           int  `yaml:"updateIntervalSeconds"`
			Options            struct{ Path string }
		}
	}
	read(t, "provisioning/dashboards/tidegauge.yaml", &file)
	if file.APIVersion != 1 || len(file.Providers) != 1 {
		t.Fatalf("version %d, %d providers", file.APIVersion, len(file.Providers))
	}
	if p := file.Providers[0]; p.Type != "file" || p.Options.Path != "/etc/grafana/dashboards/tidegauge" || p.AllowUIUpdates || p.Interval < 10 {
		t.Errorf("provider %+v", p)
	}
}
