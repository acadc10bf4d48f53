package queue

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegauge/engine/document"
	"tidegauge/engine/plan"
)

const sentText = `target: {base_url: "http://${env.HOST}:8000"}
data: {cards: {file: data/cards.csv}}
classes: {User: {tasks: [{get: "/${cards.number}", name: GET /}]}}
tests: {load: {arrivals: 10/s, duration: 1m}}
`

func parseSent(file string, text []byte, getenv Getenv) (*plan.Plan, error) {
	return plan.Parse(file, text, plan.Options{Getenv: getenv, File: SentFile})
}

// A plan that is sent runs with the files beside it, sees no environment but its parameters, and leaves nothing.
func TestSentPlan(t *testing.T) {
	t.Setenv("HOST", "example.com")
	dir := filepath.Join(t.TempDir(), "sent")
	if err := os.MkdirAll(filepath.Join(dir, "plan-of-a-killed-process"), 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := &lab{length: time.Minute}
		q, stop := start(t, Options{Run: l.run, Plans: NoPlans(), SentDir: dir, ParseSent: parseSent})
		sent := &Sent{Name: "shop.yaml", Source: []byte(sentText), Files: map[string][]byte{"data/cards.csv": []byte("number\n7\n")}}
		s, err := q.Start(Request{Sent: sent, Parameters: map[string]string{"HOST": "localhost"}})
		if err != nil {
			t.Fatal(err)
		}
		waiting, err := q.Start(Request{Sent: sent, Parameters: map[string]string{"HOST": "localhost"}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if s.Plan != "shop" || len(folders(t, dir)) != 2 {
			t.Errorf("the job is of plan %q, folders %v", s.Plan, folders(t, dir))
		}
		if err := q.Stop(waiting.ID, "ann", false); err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Minute)
		if s, _, err := q.Job(s.ID); err != nil || s.State != Finished {
			t.Errorf("the job is %v, %v", s.State, err)
		}
		stop()
	})
	if left := folders(t, dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func folders(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSentPlanIsRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("number\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "sent")
	q := New(Options{Plans: NoPlans(), SentDir: dir, ParseSent: parseSent})
	good := map[string]string{"HOST": "localhost"}
	cards := map[string][]byte{"data/cards.csv": []byte("number\n1\n")}
	for name, tt := range map[string]struct {
		sent  Sent
		param map[string]string
		want  error
	}{
		"a variable of the daemon":    {Sent{"shop.yaml", []byte(sentText), cards}, nil, ErrSent},
		"a file that did not come":    {Sent{"shop.yaml", []byte(sentText), nil}, good, ErrSent},
		"a file of the daemon":        {Sent{"shop.yaml", []byte(strings.Replace(sentText, "data/cards.csv", secret, 1)), nil}, good, ErrSent},
		"a file above":                {Sent{"shop.yaml", []byte(strings.Replace(sentText, "data/cards.csv", "../../secret.csv", 1)), nil}, good, ErrSent},
		"a name that leads elsewhere": {Sent{"../shop.yaml", []byte(sentText), cards}, good, ErrRequest},
		"no name":                     {Sent{"", []byte(sentText), cards}, good, ErrRequest},
		"a folder":                    {Sent{".", []byte(sentText), cards}, good, ErrRequest},
		"a file that leads elsewhere": {Sent{"shop.yaml", []byte(sentText), map[string][]byte{"data/../../x": nil}}, good, ErrRequest},
		"an absolute file":            {Sent{"shop.yaml", []byte(sentText), map[string][]byte{"/tmp/x": nil}}, good, ErrRequest},
		"a file in its own place":     {Sent{"shop.yaml", []byte(sentText), map[string][]byte{"./shop.yaml": nil}}, good, ErrRequest},
		"a host that may not be":      {Sent{"shop.yaml", []byte(sentText), cards}, map[string]string{"HOST": "example.com"}, ErrLimit},
	} {
		_, err := q.Start(Request{Sent: &tt.sent, Parameters: tt.param})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if all, ok := errors.AsType[document.Errors](err); ok && (all[0].File != "shop.yaml" || strings.Contains(err.Error(), dir)) {
			t.Errorf("%s: the mistake shows where the plan was put: %v", name, err)
		}
		if left := folders(t, dir); len(left) > 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

// FuzzSent: whatever files are called, nothing is written but below the folder, and nothing stays of what is refused.
func FuzzSent(f *testing.F) {
	for _, name := range []string{"data/cards.csv", "../x", "/etc/x", "a/../../b", "shop.yaml/x", "", ".", "a\x00b", "a//b", "C:x"} {
		f.Add("shop.yaml", name)
	}
	f.Fuzz(func(t *testing.T, plan, name string) {
		top := t.TempDir()
		dir := filepath.Join(top, "daemon", "sent")
		s := Sent{Name: plan, Source: []byte("x"), Files: map[string][]byte{name: []byte("y")}}
		if s.check() != nil {
			return
		}
		folder, err := s.keep(dir)
		if err == nil && filepath.Dir(folder) != dir {
			t.Errorf("kept in %s", folder)
		}
		if err != nil && len(folders(t, dir)) > 0 {
			t.Errorf("%v, and left behind: %v", err, folders(t, dir))
		}
		if got := folders(t, top); len(got) > 1 || len(folders(t, filepath.Join(top, "daemon"))) > 1 {
			t.Errorf("%q and %q were written elsewhere", plan, name)
		}
	})
}
