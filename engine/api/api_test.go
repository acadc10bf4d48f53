package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"go.uber.org/goleak"

	"tidegauge/engine/compare"
	"tidegauge/engine/experiment"
	"tidegauge/engine/history"
	"tidegauge/engine/interval"
	"tidegauge/engine/outlet"
	"tidegauge/engine/plan"
	"tidegauge/engine/queue"
	"tidegauge/engine/report"
	"tidegauge/engine/scrape"
	"tidegauge/engine/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const planText = `target: {base_url: "http://localhost:8000"}
classes: {User: {tasks: [{get: /}]}}
tests: {load: {arrivals: 10/s, duration: 10m, max_users: 5}}
`

// daemon is an API over a queue whose runs end when they are let.
type daemon struct {
	t      *testing.T
	url    string
	doc    *openapi3.T
	seen   map[string]bool // operations
	finish chan struct{}
	dir    string
	guard  *Guard
	queue  *queue.Queue
}

var tokens = map[Role]string{Read: "token-of-reader", Run: "token-of-runner", Admin: "token-of-admin"}

func newDaemon(t *testing.T) *daemon {
	t.Helper()
	d := &daemon{t: t, seen: map[string]bool{}, finish: make(chan struct{}), dir: t.TempDir(), guard: &Guard{Loopback: true}}
	var err error
	if d.doc, err = openapi3.NewLoader().LoadFromData(description); err != nil {
		t.Fatal(err)
	}
	if err := d.doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	plans := filepath.Join(d.dir, "plans")
	for _, err := range []error{os.Mkdir(plans, 0o755), os.WriteFile(filepath.Join(plans, "shop.yaml"), []byte(planText), 0o644), os.WriteFile(filepath.Join(plans, "bad.yaml"), []byte("target: 7\n"), 0o644)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := queue.OpenPlans(plans, func(file string, text []byte, getenv queue.Getenv) (*plan.Plan, error) {
		return plan.Parse(file, text, plan.Options{Getenv: getenv})
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := history.Open(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	daily, err := queue.ParseCron("@daily", "")
	if err != nil {
		t.Fatal(err)
	}
	q := queue.New(queue.Options{Plans: p, SentDir: filepath.Join(d.dir, "sent"), ParseSent: func(file string, text []byte, getenv queue.Getenv) (*plan.Plan, error) {
		return plan.Parse(file, text, plan.Options{Getenv: getenv, File: queue.SentFile})
	}, Settings: queue.Settings{Schedules: []queue.Schedule{{Name: "nightly", Plan: "shop", Test: "load", Cron: daily}}},
		Run: func(ctx context.Context, o experiment.Options) (*report.Report, error) {
			meta := report.MetaOf(o.Plan, o.Test)
			record, err := h.Begin(meta, o.Plan.Source)
			if err != nil {
				return nil, err
			}
			o.Begun(record.ID())
			select {
			case <-d.finish:
			case <-ctx.Done():
			}
			meta.ID = record.ID()
			v := &verdict.Verdict{Outcome: verdict.Pass, Summary: "fine"}
			r := report.NewCollector(meta).Report(v)
			return r, errors.Join(record.Intervals(new(interval.Recorder)), record.Finish(r, nil, "fine\n"))
		}})
	d.queue = q
	audit, err := OpenAudit(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	ending := make(chan struct{})
	s := httptest.NewServer(d.guard.Protect(New(Options{
		Queue: q, Plans: p, History: h, Outlets: func() []outlet.Books { return nil }, Targets: func() []scrape.State {
			return []scrape.State{{Job: "node", Instance: "a:9100", Since: time.Now(), LastError: "refused"}}
		}, Formats: formatOptions(), Confirm: func(_ context.Context, run string, reruns []string) (*compare.Comparison, error) {
			return h.Compare(run, reruns)
		}, Version: "test", Guard: d.guard, Audit: audit, Ending: ending,
	})))
	d.url = s.URL
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { q.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		close(d.finish)
		running.Wait()
		close(ending)
		s.Close()
		http.DefaultClient.CloseIdleConnections()
		if err := audit.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *daemon) request(method, path, body string, edit func(*http.Request)) *http.Response {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if edit != nil {
		edit(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp
}

// closeBody ends an answer.
func closeBody(t testing.TB, resp *http.Response) {
	t.Helper()
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

// ask makes a request, checks the answer against the description, and returns it.
func (d *daemon) ask(operation, method, path, body string, status int) map[string]any {
	d.t.Helper()
	return d.askAs(operation, method, path, body, nil, status)
}

// askAs is ask with a request that is edited before.
func (d *daemon) askAs(operation, method, path, body string, edit func(*http.Request), status int) map[string]any {
	d.t.Helper()
	resp := d.request(method, path, body, edit)
	defer closeBody(d.t, resp)
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode != status {
		d.t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, status, text)
	}
	var op *openapi3.Operation
	for _, item := range d.doc.Paths.Map() {
		if o := item.GetOperation(method); o != nil && o.OperationID == operation {
			op = o
		}
	}
	if op == nil {
		d.t.Fatalf("no operation %s", operation)
	}
	answer := op.Responses.Status(status)
	if answer == nil {
		d.t.Fatalf("%s: the description has no status %d", operation, status)
	}
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	media := answer.Value.Content.Get(kind)
	if media == nil {
		d.t.Fatalf("%s: the description has no %s with status %d", operation, kind, status)
	}
	if status < 300 {
		d.seen[operation] = true
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		d.t.Fatalf("%s: %v in %s", operation, err, text)
	}
	if err := media.Schema.Value.VisitJSON(value); err != nil {
		d.t.Errorf("%s: %v in %s", operation, err, text)
	}
	object, _ := value.(map[string]any)
	return object
}

// formats are those of the description, by extension.
func formats() map[string]struct{ operation, media string } {
	return map[string]struct{ operation, media string }{
		"html": {"getReportHTML", "text/html"}, "md": {"getReportMarkdown", "text/markdown"}, "xml": {"getReportJUnit", "application/xml"}, "jsonl": {"getReportLines", "application/jsonl"},
	}
}

func formatOptions() []Format {
	var all []Format
	for extension, f := range formats() {
		all = append(all, Format{"." + extension, f.media, func(w io.Writer, s *history.Stored) error {
			_, err := io.WriteString(w, s.Report.Run.ID)
			return err
		}})
	}
	return all
}

const base = "/tidegauge/v1"

// Every operation of the description answers as it says, and so does what goes wrong with it.
func TestEveryOperation(t *testing.T) {
	d := newDaemon(t)
	d.ask("description", "GET", base+"/openapi.json", "", 200)
	d.ask("status", "GET", base+"/status", "", 200)
	d.ask("listPlans", "GET", base+"/plans", "", 200)
	if p := d.ask("getPlan", "GET", base+"/plans/shop", "", 200); p["source"] != planText {
		t.Errorf("plan %v", p)
	}
	d.ask("getPlan", "GET", base+"/plans/..%2Fshop", "", 404)
	d.ask("listSchedules", "GET", base+"/schedules", "", 200)
	d.ask("listOutlets", "GET", base+"/outlets", "", 200)
	d.ask("listTargets", "GET", base+"/targets", "", 200)

	for body, status := range map[string]int{
		"": 400, "{": 400, `{"plan":"shop"} {}`: 400, `{"plan":"shop","typo":1}`: 400, `{"plan":7}`: 400,
		`{"plan":"nothing"}`: 404, `{"plan":"../plans/shop"}`: 404, `{"plan":"bad"}`: 409,
		`{"plan":"shop","test":"laod"}`: 422, `{"plan":"shop","labels":{"run":"x"}}`: 422, `{"plan":"shop","run_time":-1}`: 422,
		`{"plan":"shop","file":"a.yaml"}`: 422, `{"file":"../a.yaml","source":"x"}`: 422, `{"file":"a.yaml","files":{"../b":""}}`: 422, `{"file":"a.yaml","files":{"b":"%"}}`: 400,
		`{"file":"a.yaml","source":"target: 7\ndata: {x: {file: /etc/passwd}}\n"}`: 422,
		`{"plan":"shop","host":"http://example.com"}`:                              403,
		`{"plan":"` + strings.Repeat("x", maxSent) + `"}`:                          413,
	} {
		d.ask("start", "POST", base+"/jobs", body, status)
	}
	d.validates()
	job := d.ask("start", "POST", base+"/jobs", `{"plan":"shop","labels":{"release":"1.2"},"run_time":60}`, 202)
	path := base + "/jobs/" + job["id"].(string)
	other := d.ask("runSchedule", "POST", base+"/schedules/nightly/run", `<webhook/>`, 202)
	d.ask("runSchedule", "POST", base+"/schedules/daily/run", "", 404)
	d.ask("stop", "POST", base+"/jobs/"+other["id"].(string)+"/stop", "", 200)
	d.ask("stop", "POST", base+"/jobs/"+other["id"].(string)+"/stop", "", 409)
	d.ask("stop", "POST", base+"/jobs/none/stop", "", 404)

	events := d.request("GET", path+"/events", "", nil)
	defer closeBody(t, events)
	stream := bufio.NewScanner(events.Body)
	next := func(want func(queue.Status) bool) queue.Status {
		t.Helper()
		for stream.Scan() {
			if text, ok := strings.CutPrefix(stream.Text(), "data: "); ok {
				var s queue.Status
				if err := json.Unmarshal([]byte(text), &s); err != nil {
					t.Fatal(err)
				}
				if want(s) {
					return s
				}
			}
		}
		t.Fatal("the stream ended")
		return queue.Status{}
	}
	run := next(func(s queue.Status) bool { return s.Run != "" }).Run
	d.seen["events"] = true
	d.ask("getJob", "GET", path, "", 200)
	d.ask("getJob", "GET", base+"/jobs/none", "", 404)
	d.ask("listJobs", "GET", base+"/jobs", "", 200)
	// Nothing makes load here, so that changes come to a run that has none.
	d.ask("changeLoad", "POST", path+"/load", `{"rate":5}`, 409)
	d.ask("changeLoad", "POST", path+"/load", `{"rate":5,"users":3}`, 400)
	d.ask("pause", "POST", path+"/pause", "", 409)
	d.ask("resume", "POST", path+"/resume", "", 409)
	d.finish <- struct{}{}
	if s := next(func(s queue.Status) bool { return s.Over() }); s.Outcome != verdict.Pass || s.State != queue.Finished {
		t.Errorf("the job ended as %+v", s)
	}
	if stream.Scan() && stream.Text() != "" {
		t.Errorf("the stream goes on after the end: %q", stream.Text())
	}

	d.ask("listRuns", "GET", base+"/runs?limit=5", "", 200)
	for _, bad := range []string{"0", "x", "-1"} {
		d.ask("listRuns", "GET", base+"/runs?limit="+bad, "", 400)
	}
	d.ask("getRun", "GET", base+"/runs/latest", "", 200)
	d.ask("getReport", "GET", base+"/runs/"+run+"/report", "", 200)
	for extension, f := range formats() {
		d.ask(f.operation, "GET", base+"/runs/"+run+"/report."+extension, "", 200)
		d.ask(f.operation, "GET", base+"/runs/20260101-000000-load-aaaa/report."+extension, "", 404)
	}
	d.ask("getSummary", "GET", base+"/runs/"+run+"/summary", "", 200)
	d.ask("getPlanOfRun", "GET", base+"/runs/"+run+"/plan", "", 200)
	d.ask("getIntervals", "GET", base+"/runs/"+run+"/intervals", "", 200)
	d.marks(run)
	d.triggers()
	for _, bad := range []string{"..", "..%2f..%2fetc%2fpasswd", "%00", "20260101-000000-load-aaaa"} {
		d.ask("getReport", "GET", base+"/runs/"+strings.ReplaceAll(bad, "..", "%2e%2e")+"/report", "", 404)
	}
	for _, item := range d.doc.Paths.Map() {
		for _, op := range item.Operations() {
			if failing := op.OperationID == "changeLoad" || op.OperationID == "pause" || op.OperationID == "resume"; !d.seen[op.OperationID] && !failing {
				t.Errorf("operation %s was not tried", op.OperationID)
			}
		}
	}
	log, err := os.ReadFile(filepath.Join(d.dir, "audit.jsonl"))
	if err != nil || !bytes.Contains(log, []byte(`"who":"local"`)) || !bytes.Contains(log, []byte("POST "+path+"/pause")) {
		t.Errorf("audit log: %v\n%s", err, log)
	}
}

// validates tries plans that come with a request.
func (d *daemon) validates() {
	d.t.Helper()
	const sent = `{"file":"shop.yaml","source":"target: {base_url: \"http://${env.WHERE}:8000\"}\ndata: {cards: d/cards.csv}\nclasses: {User: {tasks: [{get: \"/${cards.n}\"}]}}\ntests: {load: {arrivals: 10/s, duration: 10m, max_users: 5}}\n","files":{"d/cards.csv":"bgoxCjIK"},"parameters":{"WHERE":%q}}`
	if v := d.ask("validate", "POST", base+"/validate", fmt.Sprintf(sent, "localhost"), 200); v["name"] != "shop" {
		d.t.Errorf("validated %v", v)
	}
	v := d.ask("validate", "POST", base+"/validate", fmt.Sprintf(sent, "example.com"), 200)
	if refused := fmt.Sprint(v["tests"].([]any)[0].(map[string]any)["refused"]); !strings.Contains(refused, "example.com is not among the hosts") {
		d.t.Errorf("a target that may not be loaded: %v", v)
	}
	for body, status := range map[string]int{"{": 400, `{"source":"x","file":"../x.yaml"}`: 422, `{"file":"x.yaml","source":"target: 7"}`: 422, `{"file":"` + strings.Repeat("x", maxSent) + `"}`: 413} {
		d.ask("validate", "POST", base+"/validate", body, status)
	}
	d.ask("start", "POST", base+"/jobs", `{"plan":"shop","rerun_of":"nothing"}`, 422)
	if left, err := os.ReadDir(filepath.Join(d.dir, "sent")); err != nil || len(left) != 0 {
		d.t.Errorf("left of plans that were sent: %v, %v", left, err)
	}
}

// triggers tries webhooks: as forges send them, and as others would.
func (d *daemon) triggers() {
	d.t.Helper()
	const secret = "a-secret-of-the-forge"
	d.guard.SetTriggers([]Trigger{
		{Name: "deploy", Secret: secret, Plan: "shop", Test: "load", Branches: []string{"main"}}, {Name: "any", Secret: secret, Plan: "shop"}, {Name: "gone", Secret: secret, Plan: "gone"},
	})
	const main = `{"ref":"refs/heads/main","after":"0c3f9a"}`
	sign := func(name, body, key string) func(*http.Request) {
		return func(r *http.Request) {
			h := hmac.New(sha256.New, []byte(key))
			h.Write([]byte(body))
			prefix := ""
			if strings.HasPrefix(name, "X-Hub") {
				prefix = "sha256="
			}
			r.Header.Set(name, prefix+hex.EncodeToString(h.Sum(nil)))
		}
	}
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	both := func(a, b func(*http.Request)) func(*http.Request) { return func(r *http.Request) { a(r); b(r) } }
	form := "payload=" + url.QueryEscape(main)
	var last string
	for _, tt := range []struct {
		name, trigger, body string
		edit                func(*http.Request)
		status              int
	}{
		{"GitHub", "deploy", main, sign("X-Hub-Signature-256", main, secret), 202},
		{"a form", "deploy", form, both(sign("X-Hub-Signature-256", form, secret), set("Content-Type", "application/x-www-form-urlencoded")), 202},
		{"curl -d", "deploy", main, both(sign("X-Hub-Signature-256", main, secret), set("Content-Type", "application/x-www-form-urlencoded")), 202},
		{"Gitea", "deploy", main, sign("X-Gitea-Signature", main, secret), 202},
		{"GitLab", "deploy", main, set("X-Gitlab-Token", secret), 202},
		{"curl", "any", "", set("Authorization", "Bearer "+secret), 202},
		{"a tag", "any", `{"ref":"refs/tags/v1.4","after":"0c3f9a"}`, set("X-Gitlab-Token", secret), 202},
		{"a ping", "any", "{}", both(set("X-GitHub-Event", "ping"), set("X-Gitlab-Token", secret)), 200},
		{"another branch", "deploy", `{"ref":"refs/heads/x"}`, set("X-Gitlab-Token", secret), 200},
		{"a tag where branches are meant", "deploy", `{"ref":"refs/tags/main"}`, set("X-Gitlab-Token", secret), 200},
		{"a branch that is gone", "any", `{"ref":"refs/heads/x","after":"0000000000"}`, set("X-Gitlab-Token", secret), 200},
		{"nothing", "any", main, nil, 401},
		{"another secret", "any", main, sign("X-Hub-Signature-256", main, secret+"x"), 401},
		{"another body", "any", main + " ", sign("X-Hub-Signature-256", main, secret), 401},
		{"an empty token", "any", main, set("X-Gitlab-Token", ""), 401},
		{"no signature", "any", main, set("X-Hub-Signature-256", "sha256="), 401},
		{"no trigger", "nothing", main, set("X-Gitlab-Token", secret), 401},
		{"no plan", "gone", main, set("X-Gitlab-Token", secret), 404},
		{"too much", "any", strings.Repeat("x", maxBody+1), set("X-Gitlab-Token", secret), 413},
		{"from another site", "any", main, both(set("X-Gitlab-Token", secret), set("Sec-Fetch-Site", "cross-site")), 403},
	} {
		answer := d.askAs("trigger", "POST", base+"/triggers/"+tt.trigger, tt.body, tt.edit, tt.status)
		if tt.status == 202 && tt.trigger == "deploy" {
			last, _ = answer["id"].(string)
		}
	}
	var waiting []string
	for _, j := range d.queue.Jobs() {
		if j.By == "trigger deploy" && j.State == queue.Waiting {
			waiting = append(waiting, j.ID)
		}
	}
	if len(waiting) > 1 || len(waiting) == 1 && waiting[0] != last {
		d.t.Errorf("jobs %q wait, want the last one at most, %s", waiting, last)
	}
}

// marks tries what people say of a run.
func (d *daemon) marks(run string) {
	d.t.Helper()
	d.ask("compare", "GET", base+"/runs/none/comparison", "", 404)
	d.ask("compare", "GET", base+"/runs/latest/comparison?with=none", "", 409)
	d.ask("confirm", "POST", base+"/runs/latest/confirm", `{"reruns":["none"]}`, 409)
	d.ask("confirm", "POST", base+"/runs/none/confirm", `{"reruns":[]}`, 404)
	d.ask("confirm", "POST", base+"/runs/none/confirm", `[]`, 400)
	d.ask("pin", "PUT", base+"/baselines/v1", `{"run":"latest"}`, 409) // it has nothing to be compared by
	if err := os.WriteFile(filepath.Join(d.dir, "runs", run, "values.json"), []byte("{}"), 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.ask("pin", "PUT", base+"/baselines/v1", `{"run":"latest"}`, 200)
	d.ask("pin", "PUT", base+"/baselines/v1", `{"run":"latest"}`, 409)
	d.ask("pin", "PUT", base+"/baselines/v1", `7`, 400)
	d.ask("confirm", "POST", base+"/runs/latest/confirm", `{"reruns":["latest"]}`, 200)
	d.ask("compare", "GET", base+"/runs/latest/comparison", "", 200)
	if m := d.ask("mark", "PUT", base+"/runs/latest/mark", `{"accepted":true,"note":"as it should be"}`, 200); len(m["pins"].([]any)) != 1 || len(m["runs"].(map[string]any)) != 1 {
		d.t.Errorf("marks %v", m)
	}
	d.ask("mark", "PUT", base+"/runs/none/mark", `{}`, 404)
	d.ask("mark", "PUT", base+"/runs/latest/mark", `{"loved":true}`, 400)
	d.ask("unpin", "DELETE", base+"/baselines/v1", "", 200)
	d.ask("unpin", "DELETE", base+"/baselines/v1", "", 404)
	if m := d.ask("mark", "PUT", base+"/runs/latest/mark", `{}`, 200); len(m["runs"].(map[string]any)) != 0 {
		d.t.Errorf("marks %v", m)
	}
	d.ask("listBaselines", "GET", base+"/baselines", "", 200)
	d.ask("listChanges", "GET", base+"/changes", "", 200)
}

// What each role may do is what the description says.
func TestRoles(t *testing.T) {
	d := newDaemon(t)
	var list []Token
	for role, token := range tokens {
		list = append(list, Token{Name: token[9:], Role: role, Hash: sha256.Sum256([]byte(token))})
	}
	d.guard.SetTokens(list)
	needs := map[string]Role{"Role: read": Read, "Role: run": Run}
	d.guard.SetTriggers([]Trigger{{Name: "none", Secret: "a-secret-of-the-forge", Plan: "shop"}})
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			address := strings.NewReplacer("{plan}", "none", "{schedule}", "none", "{job}", "none", "{run}", "none", "{name}", "none").Replace(path)
			if op.OperationID == "trigger" { // no token opens it, and it needs none
				for header, want := range map[string]int{tokens[Admin]: 401, "a-secret-of-the-forge": 202} {
					resp := d.request(method, strings.NewReplacer("{trigger}", "none").Replace(path), "{}", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+header) })
					closeBody(t, resp)
					if resp.StatusCode != want {
						t.Errorf("a trigger with %q: %d, want %d", header, resp.StatusCode, want)
					}
				}
				continue
			}
			for role := Nobody; role <= Admin; role++ {
				resp := d.request(method, address, "{}", func(r *http.Request) {
					if role != Nobody {
						r.Header.Set("Authorization", "Bearer "+tokens[role])
					}
				})
				closeBody(t, resp)
				got, need := resp.StatusCode, needs[op.Description]
				switch {
				case need == Nobody:
					t.Errorf("%s says no role", op.OperationID)
				case role == Nobody && got != 401, role != Nobody && role < need && got != 403, role >= need && (got == 401 || got == 403):
					t.Errorf("%s with role %d: %d", op.OperationID, role, got)
				}
			}
		}
	}
	for _, header := range []string{"Bearer wrong", "Basic dTpw", "token-of-admin", "Bearer "} {
		resp := d.request("GET", base+"/status", "", func(r *http.Request) { r.Header.Set("Authorization", header) })
		closeBody(t, resp)
		if resp.StatusCode != 401 {
			t.Errorf("%q: %d", header, resp.StatusCode)
		}
	}
}

// Pages of other sites, and names that only seem to be this machine's, are refused.
func TestCrossSite(t *testing.T) {
	d := newDaemon(t)
	for name, edit := range map[string]func(*http.Request){
		"fetched by another site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"of another origin":       func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"by a rebound name":       func(r *http.Request) { r.Host = "evil.example:9777" },
	} {
		resp := d.request("POST", base+"/jobs", `{"plan":"shop"}`, edit)
		closeBody(t, resp)
		if resp.StatusCode != 403 {
			t.Errorf("%s: %d, want 403", name, resp.StatusCode)
		}
	}
	beyond := &Guard{}
	if p := problemOf(beyond.allows(httptest.NewRequestWithContext(t.Context(), "GET", base+"/status", nil), Read)); p.Status != 403 {
		t.Errorf("reachable from elsewhere without tokens: %d", p.Status)
	}
	for listen, want := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true, ":1": false, "0.0.0.0:1": false, "10.0.0.1:1": false, "x": false} {
		if got := ListensOnLoopback(listen); got != want {
			t.Errorf("%s: %v", listen, got)
		}
	}
}

// FuzzStart: whatever a body is, the answer is a problem or a job.
func FuzzStart(f *testing.F) {
	for _, seed := range []string{`{"plan":"shop"}`, `{"plan":"shop","run_time":1e300}`, `{"labels":{"a b":"\n"},"plan":"shop"}`, `{"plan":"shop","users":-1,"host":"::"}`, "[]", `{"rate":1e400}`} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(planText), 0o644); err != nil {
		f.Fatal(err)
	}
	p, err := queue.OpenPlans(dir, func(file string, text []byte, getenv queue.Getenv) (*plan.Plan, error) {
		return plan.Parse(file, text, plan.Options{Getenv: getenv})
	}, nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		h := New(Options{Queue: queue.New(queue.Options{Plans: p}), Plans: p, Guard: &Guard{Loopback: true}})
		for _, path := range []string{"/jobs", "/jobs/x/load"} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", base+path, bytes.NewReader(body)))
			if !json.Valid(w.Body.Bytes()) || w.Code == 500 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

// FuzzRequests: whatever comes to any operation, in its path, its parameters or its body, the answer is JSON, a known form of text or a
// problem, and never an error of ours.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/runs?limit=5", ""}, {"GET", "/runs/latest/comparison?with=..%2f..", ""}, {"PUT", "/baselines/a%20b", `{"run":"latest"}`}, {"PUT", "/runs/latest/mark", `{"note":"\u0000"}`},
		{"POST", "/validate", `{"file":"a.yaml","source":"target: {base_url: 7}","files":{"a":"AA=="}}`}, {"POST", "/runs/latest/confirm", `{"reruns":["latest"]}`}, {"GET", "/runs/%00/report.html", ""},
		{"POST", "/triggers/deploy", `{"ref":"refs/heads/main","after":7}`}, {"POST", "/jobs/x/stop", `{"now":1}`}, {"DELETE", "/baselines/..", ""}, {"POST", "/schedules/x/run", "\xff"},
	} {
		f.Add(seed[0], seed[1], []byte(seed[2]))
	}
	dir := f.TempDir()
	h, err := history.Open(dir)
	if err != nil {
		f.Fatal(err)
	}
	run, err := h.Begin(report.Meta{Test: "load"}, []byte("x"))
	if err == nil {
		err = run.Finish(report.NewCollector(report.Meta{ID: run.ID()}).Report(&verdict.Verdict{Outcome: verdict.Pass}), nil, "")
	}
	if err != nil {
		f.Fatal(err)
	}
	guard := &Guard{Loopback: true}
	guard.SetTriggers([]Trigger{{Name: "deploy", Secret: "a-secret-of-the-forge", Plan: "none"}})
	q := queue.New(queue.Options{Plans: queue.NoPlans(), SentDir: filepath.Join(dir, "sent"), ParseSent: func(file string, text []byte, getenv queue.Getenv) (*plan.Plan, error) {
		return plan.Parse(file, text, plan.Options{Getenv: getenv, File: queue.SentFile})
	}})
	handler := New(Options{
		Queue: q, Plans: queue.NoPlans(), History: h, Guard: guard, Formats: formatOptions(), Outlets: func() []outlet.Books { return nil }, Targets: func() []scrape.State { return nil },
		Confirm: func(_ context.Context, run string, reruns []string) (*compare.Comparison, error) {
			return h.Compare(run, reruns)
		},
	})
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		u, err := url.Parse(base + path)
		if err != nil || !strings.HasPrefix(u.Path, "/tidegauge/") {
			return
		}
		r := (&http.Request{Method: method, URL: u, Host: "localhost", Header: http.Header{"X-Gitlab-Token": {"a-secret-of-the-forge"}}, Body: io.NopCloser(bytes.NewReader(body))}).WithContext(t.Context())
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		kind := w.Header().Get("Content-Type")
		if w.Code >= 500 || strings.HasSuffix(kind, "json") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	})
}
