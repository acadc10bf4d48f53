package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Action is something to do to the world outside: one of a command and a call. It has a form that a journal can keep.
type Action struct {
	Command []string      `json:"command,omitempty"` // program and arguments; no shell reads them
	Call    *Call         `json:"call,omitempty"`
	Timeout time.Duration `json:"timeout,omitempty"` // default DefaultActionTimeout
	Own     bool          `json:"own,omitempty"`     // a call that we make of ourselves, not in the words of a plan
}

// Call is an HTTP request. It has been done when the answer's status is 2xx or one of Accept.
type Call struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"body,omitempty"` // JSON
	Accept []int  `json:"accept,omitempty"`
}

// DefaultActionTimeout is the time limit of an action that has none of its own.
const DefaultActionTimeout = 10 * time.Second

// String returns the action as a person would write it.
func (a Action) String() string {
	if a.Call != nil {
		return a.Call.Method + " " + a.Call.URL
	}
	words := make([]string, len(a.Command))
	for i, w := range a.Command {
		if words[i] = w; w == "" || strings.ContainsAny(w, " \t\n\"'\\$*;&|<>()") {
			words[i] = fmt.Sprintf("%q", w)
		}
	}
	return strings.Join(words, " ")
}

// Do does it within its time limit. The error names it and has the end of what it said.
func (a Action) Do(ctx context.Context) error {
	timeout := a.Timeout
	if timeout <= 0 {
		timeout = DefaultActionTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done within %v", timeout))
	defer cancel()
	switch {
	case a.Call != nil:
		return a.call(ctx)
	case len(a.Command) > 0:
		return a.command(ctx)
	}
	return errors.New("doing an action: it has neither a command nor a call")
}

// maxSaid is how much of an answer or an output an error repeats.
const maxSaid = 1000

func (a Action) call(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, a.Call.Method, a.Call.URL, strings.NewReader(a.Call.Body))
	if err != nil {
		return fmt.Errorf("calling %s: %w", a, err)
	}
	if a.Call.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req) // a redirect is no answer that something was done
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("calling %s: %w", a, err)
	}
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxSaid))
	if resp.StatusCode/100 == 2 || slices.Contains(a.Call.Accept, resp.StatusCode) {
		return nil
	}
	if text := strings.Join(strings.Fields(string(said)), " "); err == nil && text != "" {
		return fmt.Errorf("calling %s: it answered %s: %s", a, resp.Status, text)
	}
	return fmt.Errorf("calling %s: it answered %s", a, resp.Status)
}

// doAll does actions in their order, all of them, whatever becomes of the others.
func doAll(ctx context.Context, actions []Action) error {
	var errs []error
	for i := range actions {
		errs = append(errs, actions[i].Do(ctx))
	}
	return errors.Join(errs...)
}

// Allowed says which actions a plan may ask for. The zero Allowed allows none.
//
// An entry that begins with http:// or https:// allows calls of exactly that URL. Any other allows commands whose words
// are those of the entry, divided at spaces, each equal or * for any one word: "docker stop *".
type Allowed []string

// Check returns an error that says what to do unless the action is allowed.
func (l Allowed) Check(a Action) error {
	for _, entry := range l {
		isURL := strings.HasPrefix(entry, "http://") || strings.HasPrefix(entry, "https://")
		switch {
		case a.Call != nil && isURL && entry == a.Call.URL:
			return nil
		case a.Call == nil && len(a.Command) > 0 && !isURL && matches(strings.Fields(entry), a.Command):
			return nil
		}
	}
	return fmt.Errorf("%s is not allowed here; whoever runs tidegauge has to allow it (--allow-hook)", a)
}

func matches(pattern, words []string) bool {
	return len(pattern) == len(words) && slices.EqualFunc(pattern, words, func(p, w string) bool { return p == "*" || p == w })
}
