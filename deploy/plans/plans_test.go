package plans_test

import (
	"encoding/csv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tidegauge/deploy/plans"
	"tidegauge/engine/plan"
)

// parse reads a plan from a copy of the embedded files, as a user of the binary alone would.
func parse(t *testing.T, name string, o plan.Options) *plan.Plan {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, plans.FS); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Parse(file, source, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryPlanIsValid(t *testing.T) {
	names, err := fs.Glob(plans.FS, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"http.yaml", "login.yaml", "payments.yaml"}; !slices.Equal(names, want) {
		t.Fatalf("there are %q, want %q", names, want)
	}
	for _, name := range names {
		p := parse(t, name, plan.Options{})
		if got := p.Name + ".yaml"; got != name {
			t.Errorf("%s has the name %s", name, p.Name)
		}
		if _, err := p.Test(""); err != nil {
			t.Errorf("%s has no test to run by default: %v", name, err)
		}
	}
}

func TestPayments(t *testing.T) {
	p := parse(t, "payments.yaml", plan.Options{})
	for _, test := range []struct {
		name     string
		kind     plan.Type
		model    plan.Model
		duration time.Duration
		classes  []string
	}{
		{"load", plan.Load, plan.Closed, time.Minute, []string{"PaymentUser", "MixedUser"}},
		{"rate", plan.Load, plan.Open, time.Minute, []string{"PaymentUser"}},
		{"stress", plan.Stress, plan.Open, 30 * time.Minute, []string{"SpikeUser"}},
		{"stress_short", plan.Stress, plan.Open, 2 * time.Minute, []string{"SpikeUser"}},
		{"spike", plan.Spike, plan.Open, 114 * time.Second, []string{"SpikeUser"}},
		{"soak", plan.Soak, plan.Closed, 2 * time.Hour, []string{"PaymentUser", "MixedUser"}},
		{"soak_short", plan.Soak, plan.Closed, 100 * time.Second, []string{"PaymentUser", "MixedUser"}},
		{"recovery", plan.Recovery, plan.Open, 6 * time.Minute, []string{"PaymentUser"}},
		{"recovery_short", plan.Recovery, plan.Open, 117 * time.Second, []string{"PaymentUser"}},
	} {
		got, err := p.Test(test.name)
		if err != nil {
			t.Error(err)
			continue
		}
		if got.Type != test.kind || got.Shape.Model != test.model || got.Shape.Duration() != test.duration || !slices.Equal(got.Classes, test.classes) {
			t.Errorf("%s is %s, %s, %v, %v", test.name, got.Type, got.Shape.Model, got.Shape.Duration(), got.Classes)
		}
	}
	if p.Target.BaseURL != "http://127.0.0.1:8000" {
		t.Errorf("without PAYMENTS_URL the target is %s", p.Target.BaseURL)
	}
	elsewhere := func(name string) (string, bool) { return "http://127.0.0.1:9", name == "PAYMENTS_URL" }
	if p := parse(t, "payments.yaml", plan.Options{Getenv: elsewhere}); p.Target.BaseURL != "http://127.0.0.1:9" {
		t.Errorf("PAYMENTS_URL makes the target %s", p.Target.BaseURL)
	}
}

// Every card must pass for a card number, else the service refuses it.
func TestCardsHaveValidCheckDigits(t *testing.T) {
	file, err := plans.FS.Open("cards.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) < 11 || rows[0][0] != "number" {
		t.Fatalf("cards.csv has %d rows under %q", len(rows), rows[0])
	}
	for _, row := range rows[1:] {
		sum, number := 0, row[0]
		for i := range len(number) {
			digit := int(number[len(number)-1-i] - '0')
			if i%2 == 1 {
				digit = digit*2/10 + digit*2%10
			}
			sum += digit
		}
		if sum%10 != 0 {
			t.Errorf("card %s has a wrong check digit", number)
		}
	}
}
