// Package remote asks a daemon over its HTTP API, and nothing else.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tidegauge/engine/api"
	"tidegauge/engine/history"
	"tidegauge/engine/queue"
	"tidegauge/engine/report"
)

const (
	// answerWithin is how long a request may take that is not a stream.
	answerWithin = time.Minute
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 20
)

// ErrUnreachable is the error of a daemon that gives no answer.
var ErrUnreachable = errors.New("the daemon cannot be reached")

// Client asks one daemon. Safe for concurrent use.
type Client struct {
	base  string // of the API, without a slash at the end
	token string
	http  *http.Client
}

// New returns a client for the daemon at a URL such as http://127.0.0.1:9777. An empty token is none.
func New(server, token string) (*Client, error) {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no address of a daemon, expected one such as http://127.0.0.1:9777 or https://load.example.com", server)
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token has a space or a character that cannot be sent: expected what tidegauge token printed")
	}
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }} // nobody else gets the token
	return &Client{base: strings.TrimSuffix(u.String(), "/") + "/tidegauge/v1", token: token, http: c}, nil
}

// Close gives up idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// do makes a request. The caller closes the body of the answer, which has a status below 300; any other is an *api.Problem.
func (c *Client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("asking the daemon: %w", err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }() // it was read, or is of no use
	return nil, c.problem(resp)
}

// problem reads why a request failed.
func (c *Client) problem(resp *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%w: reading its answer: %w", ErrUnreachable, err)
	}
	var p api.Problem
	if json.Unmarshal(text, &p) != nil || p.Title == "" {
		return fmt.Errorf("%w: %s answers %s, which is no answer of a daemon's API", ErrUnreachable, c.base, resp.Status)
	}
	p.Status = resp.StatusCode
	return &p
}

// ask makes a request and reads the whole answer.
func (c *Client) ask(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	resp, err := c.do(ctx, method, path, body)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("%w: no answer within %v", ErrUnreachable, answerWithin)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("%w: reading its answer: %w", ErrUnreachable, err)
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("reading the answer of the daemon: it is longer than %d MiB", maxAnswer>>20)
	}
	return text, nil
}

// decoded makes a request and reads the JSON of the answer.
func decoded[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var v T
	text, err := c.ask(ctx, method, path, body)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("reading the answer of the daemon: %w", err)
	}
	return v, nil
}

// Start asks for a run.
func (c *Client) Start(ctx context.Context, s *api.Start) (queue.Status, error) {
	return decoded[queue.Status](ctx, c, http.MethodPost, "/jobs", s)
}

func (c *Client) change(ctx context.Context, job, what string, body any) error {
	_, err := c.ask(ctx, http.MethodPost, "/jobs/"+url.PathEscape(job)+"/"+what, body)
	return err
}

// Stop ends a job gracefully, or cuts what is under way.
func (c *Client) Stop(ctx context.Context, job string, now bool) error {
	return c.change(ctx, job, "stop", api.Stop{Now: now})
}

// Add changes the load of a job by an amount of users or arrivals per second.
func (c *Client) Add(ctx context.Context, job string, amount float64) error {
	return c.change(ctx, job, "load", api.Load{Add: &amount})
}

// Pause pauses a job, or has it go on.
func (c *Client) Pause(ctx context.Context, job string, pause bool) error {
	what := "resume"
	if pause {
		what = "pause"
	}
	return c.change(ctx, job, what, nil)
}

// Job returns how a job stands.
func (c *Client) Job(ctx context.Context, job string) (queue.Status, error) {
	return decoded[queue.Status](ctx, c, http.MethodGet, "/jobs/"+url.PathEscape(job), nil)
}

// MostRuns is how many runs a daemon lists at once.
const MostRuns = 10_000

// Runs returns the newest runs, at most so many, and how many there are.
func (c *Client) Runs(ctx context.Context, most int) (records []history.Record, all int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	resp, err := c.do(ctx, http.MethodGet, "/runs?limit="+strconv.Itoa(most), nil)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&records); err != nil {
		return nil, 0, fmt.Errorf("%w: reading its answer: %w", ErrUnreachable, err)
	}
	if all, err = strconv.Atoi(resp.Header.Get(api.CountHeader)); err != nil {
		all = len(records)
	}
	return records, all, nil
}

// Run returns the record of a run, by its id or what stands for one.
func (c *Client) Run(ctx context.Context, run string) (history.Record, error) {
	return decoded[history.Record](ctx, c, http.MethodGet, runPath(run), nil)
}

func runPath(run string) string { return "/runs/" + url.PathEscape(run) }

// Report returns the report of a run.
func (c *Client) Report(ctx context.Context, run string) (*report.Report, error) {
	text, err := c.ask(ctx, http.MethodGet, runPath(run)+"/report", nil)
	if err != nil {
		return nil, err
	}
	r, err := report.ReadJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading the report of run %s from the daemon: %w", run, err)
	}
	return r, nil
}

// Plan returns the plan of a run as it was run; nil: it has none.
func (c *Client) Plan(ctx context.Context, run string) ([]byte, error) {
	return none(c.ask(ctx, http.MethodGet, runPath(run)+"/plan", nil))
}

// Intervals returns what a run measured interval by interval, as interval.Decode reads it; nil: it has none.
func (c *Client) Intervals(ctx context.Context, run string) ([]byte, error) {
	return none(c.ask(ctx, http.MethodGet, runPath(run)+"/intervals", nil))
}

// none makes nothing of what is not there.
func none(text []byte, err error) ([]byte, error) {
	if NotThere(err) {
		return nil, nil
	}
	return text, err
}

// NotThere reports whether the daemon says that it does not have what was asked for.
func NotThere(err error) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && p.Status == http.StatusNotFound
}
