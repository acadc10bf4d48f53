package service

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// api answers the requests.
type api struct {
	payments      *database
	notifications *notifier
	metrics       *metrics
	leak          *leak
	bad           *behaviour
	log           *slog.Logger
}

func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /payments", a.answer(a.create))
	mux.HandleFunc("GET /payments", a.answer(a.list))
	mux.HandleFunc("GET /payments/{id}", a.answer(a.get))
	mux.HandleFunc("POST /payments/{id}/refunds", a.answer(a.refund))
	mux.HandleFunc("GET /healthz", a.answer(a.health))
	mux.Handle("GET /metrics", a.metrics.handler())
	refuse := a.answer(func(http.ResponseWriter, *http.Request) (int, any, error) {
		return 0, nil, newProblem(http.StatusServiceUnavailable, "too many requests are waiting")
	})
	return a.metrics.observe(a.bad.limit(mux, refuse))
}

// answer turns what an endpoint returns into an answer: a status and a value to send as JSON, or an error.
func (a *api) answer(endpoint func(http.ResponseWriter, *http.Request) (int, any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		contentType := "application/json"
		status, value, err := endpoint(w, r)
		if err != nil {
			p := a.problemOf(r, err)
			contentType, status, value = "application/problem+json", p.Status, p
			if status == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "1")
			}
		}
		body, err := json.Marshal(value)
		if err != nil {
			a.log.Error("encoding an answer", "route", r.Pattern, "error", err)
			http.Error(w, "encoding the answer", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		// A client that went away is its own business.
		_, _ = w.Write(append(body, '\n'))
	}
}

// problemOf says what the client is told about an error. What a database says stays in the log.
func (a *api) problemOf(r *http.Request, err error) *problem {
	var p *problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, errNotFound):
		return newProblem(http.StatusNotFound, "there is no payment %q, or it is older than those kept", r.PathValue("id"))
	case errors.Is(err, errRefunded), errors.Is(err, errPending):
		return newProblem(http.StatusConflict, "%v", err)
	case errors.Is(err, context.Canceled):
		return newProblem(http.StatusServiceUnavailable, "the request was given up by the client")
	}
	a.log.Debug("database", "route", r.Pattern, "error", err)
	if errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return newProblem(http.StatusServiceUnavailable, "all database connections are busy")
	}
	return newProblem(http.StatusServiceUnavailable, "the database does not answer")
}

func (a *api) create(w http.ResponseWriter, r *http.Request) (int, any, error) {
	amount, card, err := readPayment(w, r)
	if err != nil {
		return 0, nil, err
	}
	// A payment once begun is carried through, also when the client hangs up.
	ctx := context.WithoutCancel(r.Context())
	p := &payment{
		Status: statusCreated, Amount: amount, Card: maskCard(card),
		Notification: notificationPending, CreatedAt: time.Now().UTC(),
	}
	if err := a.payments.create(ctx, p); err != nil {
		return 0, nil, err
	}
	a.leak.some()
	p.Notification = a.notifications.created(ctx, p)
	if err := a.payments.setNotification(ctx, p); err != nil {
		a.log.Debug("database", "route", r.Pattern, "error", err)
		p.Notification = notificationPending // as GET will say
	}
	w.Header().Set("Location", "/payments/"+p.ID)
	return http.StatusCreated, p, nil
}

func (a *api) get(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	p, err := a.payments.get(r.Context(), r.PathValue("id"))
	return http.StatusOK, p, err
}

// The lengths of a list.
const (
	defaultLimit = 20
	maxLimit     = 100
)

func (a *api) list(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	limit := defaultLimit
	if text := r.URL.Query().Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxLimit {
			return 0, nil, newProblem(http.StatusBadRequest, "limit is %q; send a number from 1 to %d", text, maxLimit)
		}
	}
	payments, err := a.payments.list(r.Context(), limit)
	return http.StatusOK, map[string]any{"payments": payments}, err
}

func (a *api) refund(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	now := time.Now().UTC()
	p, err := a.payments.refund(context.WithoutCancel(r.Context()), r.PathValue("id"), now)
	if err != nil {
		return 0, nil, err
	}
	id := "re_" + strings.TrimPrefix(p.ID, idPrefix)
	return http.StatusCreated, refund{ID: id, Payment: p.ID, Amount: p.Amount, CreatedAt: now}, nil
}

func (a *api) health(_ http.ResponseWriter, r *http.Request) (int, any, error) {
	return http.StatusOK, map[string]string{"status": "ok"}, a.payments.ping(r.Context())
}

// leak is memory that is never given back.
type leak struct {
	size int
	mu   sync.Mutex
	kept [][]byte
}

func (l *leak) some() { l.add(l.size) }

func (l *leak) add(size int) {
	if size <= 0 {
		return
	}
	block := make([]byte, size)
	for i := 0; i < len(block); i += 512 {
		block[i] = 1 // an untouched page would not count as resident
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, block)
}
