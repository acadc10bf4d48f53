package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"tidegauge/engine/experiment"
	"tidegauge/engine/queue"
)

// triggerPath is what is guarded by the secret of a trigger instead of a token.
const triggerPath = "/tidegauge/v1/triggers/"

// MinSecret is how many bytes the secret of a trigger has at least: whoever has one signed request can try all shorter ones.
const MinSecret = 16

// Trigger lets a program that has no token, such as a Git forge, start one test by a webhook.
type Trigger struct {
	Name       string
	Secret     string // signs the body (HMAC-SHA256), or comes with the request
	Plan, Test string // Test: as plan.Plan.Test
	Branches   []string
	Parameters map[string]string
	Labels     map[string]string
}

// push is what webhooks of GitHub, GitLab, Gitea and Forgejo have in common.
type push struct {
	Ref     string `json:"ref"`
	After   string `json:"after"`
	Deleted bool   `json:"deleted"`
}

// trigger starts a test for whoever knows the secret of a trigger. It says with 200 why a request that is right starts none.
func (a *api) trigger(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	t := a.triggerOf(r.PathValue("trigger"))
	if t == nil || !t.knows(r.Header, body) { // which of the two is nobody's business
		return &Problem{Status: http.StatusUnauthorized, Title: "Unauthorized", Detail: "expected the body signed with the secret of the trigger (X-Hub-Signature-256, X-Gitea-Signature), or the secret itself (X-Gitlab-Token, Authorization: Bearer)"}
	}
	p := pushed(r.Header.Get("Content-Type"), body)
	if why := t.ignores(r.Header, &p); why != "" {
		noteOf(r, "ignored: %s", why)
		return reply(w, http.StatusOK, map[string]string{"ignored": why})
	}
	s, err := a.Queue.Replace(queue.Request{
		Plan: t.Plan, Test: t.Test, Parameters: t.Parameters, Labels: t.Labels, Subject: p.subject(), By: "trigger " + t.Name,
	})
	if err != nil {
		return err
	}
	noteOf(r, "job %s: plan %q, test %q, %s", s.ID, s.Plan, s.Test, p.subject())
	w.Header().Set("Location", "/tidegauge/v1/jobs/"+s.ID)
	return reply(w, http.StatusAccepted, s)
}

func (a *api) triggerOf(name string) *Trigger {
	all := a.Guard.triggers.Load()
	if all == nil {
		return nil
	}
	i := slices.IndexFunc(*all, func(t Trigger) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &(*all)[i]
}

// knows reports whether a request was made by somebody who knows the secret.
func (t *Trigger) knows(h http.Header, body []byte) bool {
	signature := hmac.New(sha256.New, []byte(t.Secret))
	signature.Write(body)
	want := signature.Sum(nil)
	for _, given := range []string{strings.TrimPrefix(h.Get("X-Hub-Signature-256"), "sha256="), strings.TrimPrefix(h.Get("X-Hub-Signature"), "sha256="), h.Get("X-Gitea-Signature")} {
		if got, err := hex.DecodeString(given); err == nil && hmac.Equal(got, want) {
			return true
		}
	}
	for _, given := range []string{h.Get("X-Gitlab-Token"), strings.TrimPrefix(h.Get("Authorization"), "Bearer ")} {
		if given != "" && subtle.ConstantTimeCompare([]byte(given), []byte(t.Secret)) == 1 {
			return true
		}
	}
	return false
}

// pushed reads what was pushed; a body that is about something else says nothing.
func pushed(contentType string, body []byte) (p push) {
	if kind, _, err := mime.ParseMediaType(contentType); err == nil && kind == "application/x-www-form-urlencoded" {
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("payload") { // else it is what curl calls JSON
			body = []byte(form.Get("payload"))
		}
	}
	if json.Unmarshal(body, &p) != nil {
		return push{}
	}
	return p
}

// ignores says why a request starts nothing, or "".
func (t *Trigger) ignores(h http.Header, p *push) string {
	branch, isBranch := strings.CutPrefix(p.Ref, "refs/heads/")
	switch {
	case h.Get("X-GitHub-Event") == "ping":
		return "a ping"
	case p.Deleted || p.After != "" && strings.Trim(p.After, "0") == "":
		return "what was pushed is gone"
	case len(t.Branches) > 0 && !isBranch:
		return "no branch was pushed"
	case len(t.Branches) > 0 && !slices.Contains(t.Branches, branch):
		return "another branch was pushed"
	}
	return ""
}

// subject says what was pushed, as what is tested. What is no name of anything is left out.
func (p *push) subject() (s experiment.Subject) {
	const longest = 200
	ok := func(text string) bool {
		return text != "" && len(text) <= longest && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
	}
	if branch, is := strings.CutPrefix(p.Ref, "refs/heads/"); is && ok(branch) {
		s.Branch = branch
	}
	if tag, is := strings.CutPrefix(p.Ref, "refs/tags/"); is && ok(tag) {
		s.Version = tag
	}
	if ok(p.After) {
		s.Commit = p.After
	}
	return s
}
