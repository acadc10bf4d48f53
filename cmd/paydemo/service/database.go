package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

var (
	errNotFound = errors.New("no such payment")
	errRefunded = errors.New("the payment is refunded already")
	errPending  = errors.New("the payment is still being made")
)

// database keeps payments in Redis, at most keep of them. Payment n is one JSON string under "paydemo:payment:n"; making
// it forgets payment n-keep, so memory is bounded without relying on the database's clock.
type database struct {
	client  *redis.Client
	keep    int64
	latency time.Duration
	factor  func() float64 // what latency is multiplied by now
	pending time.Duration  // a payment whose notification is pending for longer was given up on
}

const (
	sequenceKey   = "paydemo:sequence"
	paymentPrefix = "paydemo:payment:"
	idPrefix      = "pay_"
)

func newDatabase(o Options, factor func() float64) *database {
	return &database{
		keep:    int64(o.Keep),
		latency: o.Latency,
		factor:  factor,
		pending: 2 * (o.NotifyTimeout + o.PoolTimeout + o.DatabaseTimeout),
		client: redis.NewClient(&redis.Options{
			Addr:           o.Redis,
			Protocol:       2,
			PoolSize:       o.PoolSize,
			MaxActiveConns: o.PoolSize,
			PoolTimeout:    o.PoolTimeout,
			DialTimeout:    o.DatabaseTimeout,
			ReadTimeout:    o.DatabaseTimeout,
			WriteTimeout:   o.DatabaseTimeout,
			// Fail fast: retries would hide what a load test is there to see, and multiply the load.
			MaxRetries:               -1,
			DialerRetries:            1,
			DisableIdentity:          true,
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		}),
	}
}

func (d *database) close() error {
	if err := d.client.Close(); err != nil {
		return fmt.Errorf("closing the database's connections: %w", err)
	}
	return nil
}

func (d *database) ping(ctx context.Context) error { return d.client.Ping(ctx).Err() }

// work is the time the unit of work takes in the database, during which it holds its connection.
func (d *database) work(ctx context.Context) error {
	if d.latency == 0 {
		return nil
	}
	const sigma = 0.5
	timer := time.NewTimer(time.Duration(float64(d.latency) * d.factor() * math.Exp(sigma*rand.NormFloat64())))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// unit runs fn on one connection of the pool, held from its first command until fn returns, as a transaction would.
func (d *database) unit(fn func(*redis.Conn) error) (err error) {
	conn := d.client.Conn()
	defer func() {
		if closeErr := conn.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("returning a database connection: %w", closeErr)
		}
	}()
	return fn(conn)
}

// create stores a new payment and fills in its ID.
func (d *database) create(ctx context.Context, p *payment) error {
	return d.unit(func(conn *redis.Conn) error {
		n, err := conn.Incr(ctx, sequenceKey).Result()
		if err != nil {
			return fmt.Errorf("numbering a payment: %w", err)
		}
		if err := d.work(ctx); err != nil {
			return err
		}
		p.ID = idPrefix + strconv.FormatInt(n, 10)
		body, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encoding payment %s: %w", p.ID, err)
		}
		_, err = conn.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, paymentKey(n), body, 0)
			pipe.Del(ctx, paymentKey(n-d.keep))
			return nil
		})
		if err != nil {
			return fmt.Errorf("storing payment %s: %w", p.ID, err)
		}
		return nil
	})
}

// setNotification stores the result of the notification of a payment that was just made. Nobody else changes a payment
// while its notification is pending; one that was forgotten meanwhile is not brought back.
func (d *database) setNotification(ctx context.Context, p *payment) error {
	n, err := number(p.ID)
	if err != nil {
		return err
	}
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding payment %s: %w", p.ID, err)
	}
	err = d.client.SetArgs(ctx, paymentKey(n), body, redis.SetArgs{Mode: string(redis.XX)}).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("storing the notification of payment %s: %w", p.ID, err)
	}
	return nil
}

// get returns a payment, or errNotFound.
func (d *database) get(ctx context.Context, id string) (p *payment, err error) {
	n, err := number(id)
	if err != nil {
		return nil, err
	}
	err = d.unit(func(conn *redis.Conn) error {
		p, err = decode(conn.Get(ctx, paymentKey(n)))
		if err != nil {
			return err
		}
		return d.work(ctx)
	})
	return p, err
}

// list returns the latest payments, the newest first, at most limit of them.
func (d *database) list(ctx context.Context, limit int) (payments []*payment, err error) {
	payments = []*payment{}
	err = d.unit(func(conn *redis.Conn) error {
		last, err := conn.Get(ctx, sequenceKey).Int64()
		if errors.Is(err, redis.Nil) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the number of the last payment: %w", err)
		}
		if err := d.work(ctx); err != nil {
			return err
		}
		keys := make([]string, 0, limit)
		for n := last; n > 0 && n > last-int64(limit); n-- {
			keys = append(keys, paymentKey(n))
		}
		bodies, err := conn.MGet(ctx, keys...).Result()
		if err != nil {
			return fmt.Errorf("reading the last payments: %w", err)
		}
		for i, body := range bodies {
			text, ok := body.(string)
			if !ok {
				continue // numbered but not stored yet, or forgotten
			}
			p := new(payment)
			if err := json.Unmarshal([]byte(text), p); err != nil {
				return fmt.Errorf("decoding %s: %w", keys[i], err)
			}
			payments = append(payments, p)
		}
		return nil
	})
	return payments, err
}

// refund marks a payment as refunded and returns it. It returns errNotFound, errRefunded or errPending.
func (d *database) refund(ctx context.Context, id string, now time.Time) (p *payment, err error) {
	n, err := number(id)
	if err != nil {
		return nil, err
	}
	key := paymentKey(n)
	err = d.client.Watch(ctx, func(tx *redis.Tx) error {
		p, err = decode(tx.Get(ctx, key))
		switch {
		case err != nil:
			return err
		case p.Status == statusRefunded:
			return errRefunded
		case p.Notification == notificationPending && now.Sub(p.CreatedAt) < d.pending:
			return errPending
		}
		if err := d.work(ctx); err != nil {
			return err
		}
		p.Status, p.RefundedAt = statusRefunded, &now
		body, err := json.Marshal(p)
		if err != nil {
			return fmt.Errorf("encoding payment %s: %w", id, err)
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, key, body, 0)
			return nil
		})
		return err
	}, key)
	if errors.Is(err, redis.TxFailedErr) {
		return nil, errRefunded // another refund was quicker
	}
	return p, err
}

func paymentKey(n int64) string { return paymentPrefix + strconv.FormatInt(n, 10) }

// number returns the number in an ID, or errNotFound for an ID that was never given out.
func number(id string) (int64, error) {
	digits, ok := strings.CutPrefix(id, idPrefix)
	if !ok {
		return 0, errNotFound
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || digits != strconv.FormatInt(n, 10) {
		return 0, errNotFound
	}
	return n, nil
}

func decode(answer *redis.StringCmd) (*payment, error) {
	body, err := answer.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("reading a payment: %w", err)
	}
	p := new(payment)
	if err := json.Unmarshal(body, p); err != nil {
		return nil, fmt.Errorf("decoding a payment: %w", err)
	}
	return p, nil
}
