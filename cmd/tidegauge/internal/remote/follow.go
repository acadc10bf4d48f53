package remote

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tidegauge/engine/api"
	"tidegauge/engine/queue"
)

const (
	// silence is how long a stream may say nothing: the daemon says every 15 s that it is still there.
	silence = 50 * time.Second
	// retryFirst and retryMost are how long to wait before the connection is tried again, doubling.
	retryFirst = 500 * time.Millisecond
	retryMost  = 10 * time.Second
	// GiveUpAfter is how long a connection that is lost is tried again.
	GiveUpAfter = 15 * time.Minute
	// maxEvent bounds an event.
	maxEvent = 1 << 20
)

// Follow hands on how a job stands whenever that changes, until it is over, and returns that. A connection that is lost is
// tried again, which tell is told of. A job that the daemon does not know any more, since it was started anew, is an
// *api.Problem of status 404.
func (c *Client) Follow(ctx context.Context, job string, changed func(queue.Status), tell func(string)) (queue.Status, error) {
	var lost time.Time // zero: it is not
	wait := retryFirst
	for {
		s, err := c.stream(ctx, job, func(s queue.Status) {
			if !lost.IsZero() {
				tell(fmt.Sprintf("connected to the daemon again, after %v", time.Since(lost).Round(time.Second)))
				lost, wait = time.Time{}, retryFirst
			}
			changed(s)
		})
		if _, refused := errors.AsType[*api.Problem](err); err == nil || refused || ctx.Err() != nil {
			return s, errors.Join(err, ctx.Err())
		}
		if lost.IsZero() {
			lost = time.Now()
			tell(fmt.Sprintf("the connection to the daemon is lost (%v); the run goes on there, trying again", err))
		}
		if time.Since(lost) > GiveUpAfter {
			return s, fmt.Errorf("following the run: %w, for %v; it may go on there", err, GiveUpAfter)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return s, ctx.Err()
		}
		wait = min(2*wait, retryMost)
	}
}

// stream follows one stream of events. It returns without an error when the job is over.
func (c *Client) stream(ctx context.Context, job string, changed func(queue.Status)) (queue.Status, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("%w: nothing was heard for %v", ErrUnreachable, silence)) })
	defer quiet.Stop()
	resp, err := c.do(ctx, http.MethodGet, "/jobs/"+url.PathEscape(job)+"/events", nil)
	if err != nil {
		return queue.Status{}, cause(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }() // nothing more is wanted of it
	s, err := events(resp.Body, func() { quiet.Reset(silence) }, changed)
	return s, cause(ctx, err)
}

// cause returns why a request was given up, if that is why it failed.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// events reads server-sent events until one says that the job is over. heard is called with every line.
func events(r io.Reader, heard func(), changed func(queue.Status)) (queue.Status, error) {
	var last queue.Status
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		heard()
		text, ok := strings.CutPrefix(lines.Text(), "data:")
		if !ok {
			continue
		}
		var s queue.Status
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			return last, fmt.Errorf("reading an event of the daemon: %w", err)
		}
		last = s
		changed(s)
		if s.Over() {
			return s, nil
		}
	}
	if err := lines.Err(); err != nil {
		return last, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return last, fmt.Errorf("%w: it ended the stream", ErrUnreachable)
}
