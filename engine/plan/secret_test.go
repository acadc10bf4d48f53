package plan

import (
	"strings"
	"testing"
)

// Mistakes name the variables that hold secrets, and not their values.
func TestMistakesHideSecrets(t *testing.T) {
	env := map[string]string{
		"API_TOKEN": "hunter2-hunter2", "DB_PASSWORD": "pass\"word\nof two lines", "PRIVATE_KEY": strings.Repeat("0123456789", 50), "SHOP": "the-shop", "PIN_SECRET": "1",
	}
	const text = `target: {base_url: "${env.API_TOKEN}", timeout: "${env.DB_PASSWORD}"}
labels: {a: "${env.SHOP}"}
seed: ${env.PRIVATE_KEY}
max_series: ${env.SHOP}
classes: {A: {tasks: [{get: "/${env.API_TOKEN + nothing}"}]}}
tests: {load: {arrivals: "${env.PIN_SECRET}x", duration: "x${env.API_TOKEN}"}}
`
	_, err := Parse("plan.yaml", []byte(text), Options{Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	if err == nil {
		t.Fatal("no mistakes")
	}
	all := err.Error()
	for _, secret := range []string{"hunter2", "of two lines", "0123456789"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in the mistakes:\n%s", secret, all)
		}
	}
	for _, want := range []string{`target.base_url: "${env.API_TOKEN}" does not begin with`, `target.timeout: "${env.DB_PASSWORD}"`, `seed: "${env.PRIVATE_KEY}"`, "the-shop", `duration: "x${env.API_TOKEN}"`} {
		if !strings.Contains(all, want) {
			t.Errorf("the mistakes lack %q:\n%s", want, all)
		}
	}
}
