package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// strict decodes a YAML document into a type whose fields have JSON names; a key that the type does not have is an error.
func strict(t *testing.T, file string, document, into any) {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Errorf("%s: %v in %.200s", file, err, text)
	}
}

// serviceMonitor is what is used of the Prometheus operator's type.
type serviceMonitor struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port              string           `json:"port"`
			Interval          string           `json:"interval"`
			MetricRelabelings []map[string]any `json:"metricRelabelings"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// prometheusRule is what is used of the operator's other type.
type prometheusRule struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Groups []struct {
			Name     string `json:"name"`
			Interval string `json:"interval"`
			Rules    []struct {
				Record      string            `json:"record"`
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// TestKubernetesManifests: every key is one of the API's, and what refers to something else by name finds it.
func TestKubernetesManifests(t *testing.T) {
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	kinds := map[string]any{}
	configs := map[string]corev1.ConfigMap{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
			var document map[string]any
			if err := d.Decode(&document); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			kind, _ := document["kind"].(string)
			into := map[string]any{
				"ConfigMap": &corev1.ConfigMap{}, "PersistentVolumeClaim": &corev1.PersistentVolumeClaim{}, "Service": &corev1.Service{},
				"Deployment": &appsv1.Deployment{}, "Job": &batchv1.Job{}, "ServiceMonitor": &serviceMonitor{}, "PrometheusRule": &prometheusRule{},
			}[kind]
			if into == nil {
				t.Fatalf("%s: unexpected kind %q", file, kind)
			}
			strict(t, file, document, into)
			kinds[kind] = into
			if c, ok := into.(*corev1.ConfigMap); ok {
				configs[c.Name] = *c
			}
		}
	}
	for kind, pod := range map[string]corev1.PodTemplateSpec{"Deployment": kinds["Deployment"].(*appsv1.Deployment).Spec.Template, "Job": kinds["Job"].(*batchv1.Job).Spec.Template} {
		if *pod.Spec.SecurityContext.RunAsUser == 0 || !*pod.Spec.SecurityContext.RunAsNonRoot {
			t.Errorf("the %s runs as root", kind)
		}
		for _, v := range pod.Spec.Volumes {
			if _, ok := configs[name(v.ConfigMap)]; v.ConfigMap != nil && !ok {
				t.Errorf("the %s mounts the config map %s, which is not there", kind, v.ConfigMap.Name)
			}
		}
	}
	service, deployment := kinds["Service"].(*corev1.Service), kinds["Deployment"].(*appsv1.Deployment)
	for key, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[key] != value {
			t.Errorf("the Service selects %s=%s, the Deployment has %v", key, value, deployment.Spec.Template.Labels)
		}
	}
	if got := kinds["ServiceMonitor"].(*serviceMonitor).Spec.Endpoints[0].Port; got != service.Spec.Ports[0].Name {
		t.Errorf("the ServiceMonitor scrapes port %s, the Service has %s", got, service.Spec.Ports[0].Name)
	}
	dir := t.TempDir()
	for _, c := range configs {
		for file, text := range c.Data {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			tidegauge(t, "validate", filepath.Join(dir, file))
		}
	}
}

func name(c *corev1.ConfigMapVolumeSource) string {
	if c == nil {
		return ""
	}
	return c.Name
}

// tidegauge runs the command, from the source.
func tidegauge(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", append([]string{"run", "../cmd/tidegauge"}, args...)...).CombinedOutput(); err != nil {
		t.Errorf("tidegauge %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestCommandsOfPipelines: the files of CI systems and systemd are well-formed, and every tidegauge command in them has the
// flags that it is shown with.
func TestCommandsOfPipelines(t *testing.T) {
	for _, file := range []string{"ci/github.yaml", "ci/gitlab.yaml", "systemd/tidegauge.service", "Dockerfile"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var any map[string]any
		if filepath.Ext(file) == ".yaml" {
			if err := yaml.Unmarshal(text, &any); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		var commands []string
		for _, m := range regexp.MustCompile(`(?m)^\s*(?:- (?:run: )?|ExecStart=/usr/local/bin/)tidegauge (.*)$`).FindAllStringSubmatch(string(text), -1) {
			commands = append(commands, m[1])
		}
		if m := regexp.MustCompile(`(?m)^CMD (\[.*\])$`).FindStringSubmatch(string(text)); m != nil {
			var args []string
			if err := json.Unmarshal([]byte(m[1]), &args); err != nil {
				t.Errorf("%s: %v", file, err)
			}
			commands = append(commands, strings.Join(args, " "))
		}
		if len(commands) == 0 {
			t.Errorf("%s has no command", file)
		}
		for _, c := range commands {
			tidegauge(t, append(strings.Fields(c), "--help")...)
		}
	}
}
