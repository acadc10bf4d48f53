package remote

import (
	"context"
	"net/http"
	"net/url"

	"tidegauge/engine/api"
	"tidegauge/engine/compare"
	"tidegauge/engine/history"
)

// Validate has the daemon look at a plan.
func (c *Client) Validate(ctx context.Context, v *api.Validate) (api.Validated, error) {
	return decoded[api.Validated](ctx, c, http.MethodPost, "/validate", v)
}

// Compare compares a run with its baseline or, if one is named, with another run or a pinned baseline.
func (c *Client) Compare(ctx context.Context, run, with string) (*compare.Comparison, error) {
	path := runPath(run) + "/comparison"
	if with != "" {
		path += "?with=" + url.QueryEscape(with)
	}
	return decoded[*compare.Comparison](ctx, c, http.MethodGet, path, nil)
}

// Confirm compares a run again, together with others that were made to confirm what it showed.
func (c *Client) Confirm(ctx context.Context, run string, reruns []string) (*compare.Comparison, error) {
	return decoded[*compare.Comparison](ctx, c, http.MethodPost, runPath(run)+"/confirm", api.Confirm{Reruns: reruns})
}

// Marks returns what people said of runs.
func (c *Client) Marks(ctx context.Context) (history.Marks, error) {
	return decoded[history.Marks](ctx, c, http.MethodGet, "/baselines", nil)
}

func pinPath(name string) string { return "/baselines/" + url.PathEscape(name) }

// Pin gives a run a name.
func (c *Client) Pin(ctx context.Context, name, run string) error {
	_, err := c.ask(ctx, http.MethodPut, pinPath(name), api.Pin{Run: run})
	return err
}

// Unpin takes a name away.
func (c *Client) Unpin(ctx context.Context, name string) error {
	_, err := c.ask(ctx, http.MethodDelete, pinPath(name), nil)
	return err
}

// Mark replaces what was said of a run.
func (c *Client) Mark(ctx context.Context, run string, m history.Mark) error {
	_, err := c.ask(ctx, http.MethodPut, runPath(run)+"/mark", api.Mark{Accepted: m.Accepted, Rejected: m.Rejected, Excluded: m.Excluded, Note: m.Note})
	return err
}

// Changes returns the levels that changed over the history of each test.
func (c *Client) Changes(ctx context.Context) ([]history.Course, error) {
	return decoded[[]history.Course](ctx, c, http.MethodGet, "/changes", nil)
}
