package tcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"tidegauge/engine/fault"
)

// remote is a proxy at a toxiproxy server of the user's, used by its HTTP API (toxiproxy's README, "HTTP API").
type remote struct {
	options Options
}

func (r *remote) url(parts ...string) string {
	path := []string{strings.TrimRight(r.options.Server, "/"), "proxies", url.PathEscape(r.options.Name)}
	for _, p := range parts {
		path = append(path, url.PathEscape(p))
	}
	return strings.Join(path, "/")
}

// state is a proxy as the server has it.
type state struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"`
	Upstream string `json:"upstream"`
	Enabled  bool   `json:"enabled"`
}

// start makes the proxy, or uses the one that is there under its name.
func (r *remote) start(ctx context.Context) (string, error) {
	there, found, err := r.read(ctx)
	if err != nil {
		return "", err
	}
	if !found {
		body, err := json.Marshal(state{r.options.Name, r.options.Listen, r.options.Upstream, true})
		if err != nil {
			return "", err
		}
		create := fault.Action{Own: true, Call: &fault.Call{
			Method: http.MethodPost, URL: strings.TrimRight(r.options.Server, "/") + "/proxies", Body: string(body)}}
		if err := create.Do(ctx); err != nil {
			return "", err
		}
		if there, _, err = r.read(ctx); err != nil {
			return "", err
		}
	}
	switch {
	case there.Upstream != r.options.Upstream:
		return "", fmt.Errorf("the toxiproxy server %s has a proxy of that name to %s, expected %s; choose another name, or the same upstream", r.options.Server, there.Upstream, r.options.Upstream)
	case !sameListen(there.Listen, r.options.Listen):
		return "", fmt.Errorf("the toxiproxy server %s has a proxy of that name that listens on %s, expected %s; choose another name, or the same address", r.options.Server, there.Listen, r.options.Listen)
	case !there.Enabled:
		return "", fmt.Errorf("the proxy is disabled at the toxiproxy server %s, which would be a fault that lasts; enable it", r.options.Server)
	}
	return there.Listen, nil
}

// sameListen reports whether an address that is listened on can be what was asked for: a port 0 is any, and a server that
// listens everywhere says so in its own words.
func sameListen(is, asked string) bool {
	_, isPort, err1 := net.SplitHostPort(is)
	_, askedPort, err2 := net.SplitHostPort(asked)
	return err1 == nil && err2 == nil && (askedPort == "0" || isPort == askedPort)
}

func (r *remote) read(ctx context.Context) (s state, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, fault.DefaultActionTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(), nil)
	if err != nil {
		return s, false, fmt.Errorf("asking the toxiproxy server: %w", err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return s, false, fmt.Errorf("asking the toxiproxy server %s: %w", r.options.Server, err)
	}
	defer func() { _ = resp.Body.Close() }()
	const most = 1 << 20
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	switch {
	case err != nil:
		return s, false, fmt.Errorf("asking the toxiproxy server %s: %w", r.options.Server, err)
	case resp.StatusCode == http.StatusNotFound:
		return s, false, nil
	case resp.StatusCode != http.StatusOK:
		return s, false, fmt.Errorf("asking the toxiproxy server %s: it answered %s", r.options.Server, resp.Status)
	}
	if err := json.Unmarshal(body, &s); err != nil || s.Name == "" {
		return s, false, fmt.Errorf("asking the toxiproxy server %s: what answers there is none", r.options.Server)
	}
	return s, true, nil
}

// close leaves the proxy at the server: the service is pointed at it.
func (r *remote) close(context.Context) error { return nil }

func (r *remote) used() bool { return true }

func (r *remote) begin(ctx context.Context, id string, e Effect) error {
	call := &fault.Call{Method: http.MethodPost, URL: r.url(), Body: `{"enabled":false}`}
	switch t, ok := e.toxic(id); {
	case e.MaxConnections > 0:
		return errors.New("a toxiproxy server cannot limit the number of connections, expected a proxy without toxiproxy")
	case ok:
		body, err := json.Marshal(t)
		if err != nil {
			return err
		}
		call.URL, call.Body = r.url("toxics"), string(body)
	}
	return fault.Action{Own: true, Call: call}.Do(ctx)
}

func (r *remote) end(ctx context.Context, id string, e Effect) error {
	var errs []error
	for _, a := range r.remedy(id, e) {
		errs = append(errs, a.Do(ctx))
	}
	return errors.Join(errs...)
}

func (r *remote) remedy(id string, e Effect) []fault.Action {
	if e.Cut {
		return []fault.Action{{Own: true, Call: &fault.Call{Method: http.MethodPost, URL: r.url(), Body: `{"enabled":true}`}}}
	}
	if _, ok := e.toxic(id); !ok {
		return nil
	}
	return []fault.Action{{Own: true, Call: &fault.Call{
		Method: http.MethodDelete, URL: r.url("toxics", id), Accept: []int{http.StatusNotFound}, // it never was, or is gone already
	}}}
}
