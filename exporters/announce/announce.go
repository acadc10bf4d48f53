// Package announce tells webhooks how runs ended.
//
// README.md beside this file documents what is sent. An announcement decides nothing: one that does not arrive is told and forgotten.
package announce

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"tidegauge/engine/document"
)

// Condition is which runs are announced.
type Condition string

// The conditions. A run that passed and is a confirmed regression counts as failed.
const (
	Always  Condition = "all"     // every run
	Failed  Condition = "failed"  // those that did not pass
	Changed Condition = "changed" // those that passed where the run of the test before did not, or the other way; the first if it did not pass
)

// Form is what a body looks like.
type Form string

// The forms.
const (
	JSON  Form = "json"  // Announcement
	Slack Form = "slack" // as Slack's incoming webhooks take it, and others that are made like those
)

// Hook is a webhook.
type Hook struct {
	URL    string
	Form   Form      // default JSON
	On     Condition // default Always
	Secret string    // signs the body; empty: it is not signed
	Link   string    // to a report, with {run} for the id; empty: none
}

// The limits of an announcement, whatever the receiver does.
const (
	Within       = 10 * time.Second // of all together
	attemptLimit = 4 * time.Second
	attempts     = 4
	firstPause   = 500 * time.Millisecond
	maxAnswer    = 4 << 10 // of what is read of an answer
)

// SignatureHeader carries sha256= and the HMAC-SHA256 of the body in hexadecimal, as GitHub's webhooks have it.
const SignatureHeader = "Tidegauge-Signature-256"

// CheckURL says what is wrong with an address; nil: nothing.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return errors.New("expected a URL such as https://hooks.example.com/tidegauge") // not repeated: it can be a secret
	}
	return nil
}

// Send tells every hook that wants to know of the run, all at once, and returns when each has been told or given up: after Within at the
// latest, or when ctx ends. It returns an error for each that could not be told.
func Send(ctx context.Context, hooks []Hook, a *Announcement) []error {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport,
		// Somewhere else nobody has configured: the body and its signature are not for it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return sendAll(ctx, client, hooks, a)
}

func sendAll(ctx context.Context, client *http.Client, hooks []Hook, a *Announcement) []error {
	ctx, cancel := context.WithTimeout(ctx, Within)
	defer cancel()
	failed := make([]error, len(hooks))
	var sending sync.WaitGroup
	for i := range hooks {
		if !hooks[i].wants(a) {
			continue
		}
		sending.Go(func() { failed[i] = hooks[i].send(ctx, client, a) })
	}
	sending.Wait()
	return slices.DeleteFunc(failed, func(err error) bool { return err == nil })
}

func (h *Hook) wants(a *Announcement) bool {
	switch h.On {
	case Failed:
		return !a.Good
	case Changed:
		return a.Changed
	}
	return true
}

// send tries until the hook has taken the announcement, or will not, or time is up.
func (h *Hook) send(ctx context.Context, client *http.Client, a *Announcement) error {
	body, err := h.body(a)
	tried := 0
	for pause := firstPause; err == nil && tried < attempts; pause *= 2 {
		tried++
		var after time.Duration
		var final bool
		if after, final, err = h.post(ctx, client, body); err == nil {
			return nil
		}
		if final || tried == attempts {
			break
		}
		wait := time.NewTimer(max(pause, after))
		select {
		case <-wait.C:
			err = nil
			continue
		case <-ctx.Done():
			wait.Stop()
		}
		break
	}
	host := "an address that is none"
	if u, parseErr := url.Parse(h.URL); parseErr == nil {
		host = u.Host // the rest of the address can be a secret
	}
	return fmt.Errorf("announcing run %s to %s: given up after %s: %w", a.Run.ID, host, counted(tried), err)
}

func counted(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return strconv.Itoa(n) + " attempts"
}

// post makes one attempt. final says that another would be of no use, after how long to wait for it.
func (h *Hook) post(ctx context.Context, client *http.Client, body []byte) (after time.Duration, final bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return 0, true, withoutAddress(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "tidegauge")
	if h.Secret != "" {
		r.Header.Set(SignatureHeader, Sign(h.Secret, body))
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, false, withoutAddress(err)
	}
	defer func() { _ = answer.Body.Close() }()                    // it was read as far as anybody cares
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // what it says is for people only
	switch status := answer.StatusCode; {
	case status/100 == 2:
		return 0, false, nil
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status/100 == 5:
		return retryAfter(answer.Header.Get("Retry-After")), false, refused(answer.Status, text)
	default:
		return 0, true, refused(answer.Status, text)
	}
}

// retryAfter reads a number of seconds; of a date nothing is made, since an announcement does not wait that long.
func retryAfter(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, int(Within/time.Second)+1)) * time.Second
}

func refused(status string, text []byte) error {
	const most = 200
	said := []rune(document.OneLine(clean(string(text))))
	if len(said) == 0 {
		return fmt.Errorf("it answered %s", clean(status))
	}
	return fmt.Errorf("it answered %s: %s", clean(status), string(said[:min(most, len(said))]))
}

// withoutAddress takes the address out of an error of package http.
func withoutAddress(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// Sign returns the value of SignatureHeader for a body.
func Sign(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}
