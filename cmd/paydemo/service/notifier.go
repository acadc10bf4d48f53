package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"
)

// notifier posts notifications downstream through a circuit breaker.
type notifier struct {
	url     string
	timeout time.Duration
	client  *http.Client
	breaker *gobreaker.CircuitBreaker[struct{}]
	metrics *metrics
	log     *slog.Logger
}

func newNotifier(o Options, m *metrics) *notifier {
	return &notifier{
		url:     o.Notify,
		timeout: o.NotifyTimeout,
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}},
		metrics: m,
		log:     o.Log,
		breaker: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name:        "notifications",
			Timeout:     o.BreakerReset,
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= uint32(o.BreakerFailures) },
			OnStateChange: func(name string, from, to gobreaker.State) {
				if to == gobreaker.StateOpen {
					m.breakerTrips.Inc()
				}
				o.Log.Warn("circuit breaker changed its state", "breaker", name, "from", from.String(), "to", to.String())
			},
		}),
	}
}

func (n *notifier) close() { n.client.CloseIdleConnections() }

// created tells the notification service that a payment was made and returns the payment's new notification state.
func (n *notifier) created(ctx context.Context, p *payment) string {
	_, err := n.breaker.Execute(func() (struct{}, error) { return struct{}{}, n.post(ctx, p) })
	switch {
	case err == nil:
		n.metrics.notifications.WithLabelValues("sent").Inc()
		return notificationSent
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		n.metrics.notifications.WithLabelValues("rejected").Inc()
	default:
		n.metrics.notifications.WithLabelValues("failed").Inc()
		n.log.Debug("notification failed", "payment", p.ID, "error", err)
	}
	return notificationFailed
}

func (n *notifier) post(ctx context.Context, p *payment) error {
	ctx, cancel := context.WithTimeout(ctx, n.timeout)
	defer cancel()
	body, err := json.Marshal(map[string]any{"event": "payment.created", "payment": p.ID, "amount": p.Amount})
	if err != nil {
		return fmt.Errorf("encoding the notification of payment %s: %w", p.ID, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("posting to %s: %w", n.url, err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := n.client.Do(request)
	if err != nil {
		return err
	}
	// Read to the end so that the connection can be used again.
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", n.url, err)
	}
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s answered %s", n.url, response.Status)
	}
	return nil
}
