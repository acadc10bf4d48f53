package service

import (
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what the service shows of itself at /metrics, in a registry of its own.
type metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	inFlight      prometheus.Gauge
	breakerTrips  prometheus.Counter
	notifications *prometheus.CounterVec
	poolLimit     int
}

func newMetrics(o Options) *metrics {
	labels := []string{"route", "method", "status"}
	breaker := prometheus.Labels{"breaker": "notifications"}
	m := &metrics{
		registry:  prometheus.NewRegistry(),
		poolLimit: o.PoolSize,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "http_requests_total", Help: "Requests answered."}, labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "http_request_duration_seconds", Help: "Time from the request's arrival to the end of its answer.",
			Buckets:                     []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		}, labels),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "http_requests_in_flight", Help: "Requests being answered."}),
		breakerTrips: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "circuit_breaker_trips_total", Help: "Times the circuit breaker opened.", ConstLabels: breaker}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "notifications_total",
			Help: "Notifications by result: sent, failed, or rejected by the open circuit breaker."}, []string{"result"}),
	}
	for _, result := range []string{"sent", "failed", "rejected"} {
		m.notifications.WithLabelValues(result)
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "build_info", Help: "Always 1; its labels say what is running.",
		ConstLabels: prometheus.Labels{"version": o.Version, "go_version": runtime.Version()}})
	info.Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.breakerTrips, m.notifications, info,
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// watch adds the metrics that are read from others when they are asked for.
func (m *metrics) watch(d *database, n *notifier) {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	counter := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value)
	}
	pool := d.client.PoolStats
	inUse := func() float64 {
		s := pool()
		return max(0, float64(s.TotalConns)-float64(s.IdleConns))
	}
	// The names that OpenTelemetry's instrumentations give a connection pool, beside our own.
	convention := func(name, state, help string, value func() float64) prometheus.Collector {
		labels := prometheus.Labels{"pool_name": "payments"}
		if state != "" {
			labels["state"] = state
		}
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}, value)
	}
	const usage = "Connections of the database pool by state."
	m.registry.MustRegister(
		convention("db_client_connections_usage", "used", usage, inUse),
		convention("db_client_connections_usage", "idle", usage, func() float64 { return float64(pool().IdleConns) }),
		convention("db_client_connections_max", "", "Most connections the database pool may hold.", func() float64 { return float64(m.poolLimit) }),
		gauge("db_pool_connections_limit", "Most connections the database pool may hold.",
			func() float64 { return float64(m.poolLimit) }),
		gauge("db_pool_connections_in_use", "Database connections in use.", inUse),
		gauge("db_pool_connections_idle", "Database connections open and not in use.",
			func() float64 { return float64(pool().IdleConns) }),
		counter("db_pool_waits_total", "Times a request had to wait for a database connection, whether it got one or not.",
			func() float64 { s := pool(); return float64(s.WaitCount) + float64(s.Timeouts) }),
		counter("db_pool_wait_seconds_total", "Time spent waiting for database connections by requests that got one.",
			func() float64 { return time.Duration(pool().WaitDurationNs).Seconds() }),
		counter("db_pool_timeouts_total", "Times a request gave up waiting for a database connection.",
			func() float64 { return float64(pool().Timeouts) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "circuit_breaker_state", Help: "0 closed, 1 half-open, 2 open.",
			ConstLabels: prometheus.Labels{"breaker": n.breaker.Name()}},
			func() float64 { return float64(n.breaker.State()) }),
	)
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// observe counts and times the requests that next answers, by the pattern they matched, never by their path.
func (m *metrics) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		m.inFlight.Inc()
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			m.inFlight.Dec()
			route := "unmatched"
			if r.Pattern != "" {
				route = r.Pattern[strings.IndexByte(r.Pattern, ' ')+1:]
			}
			labels := []string{route, knownMethod(r.Method), strconv.Itoa(recorder.status)}
			m.requests.WithLabelValues(labels...).Inc()
			m.duration.WithLabelValues(labels...).Observe(time.Since(start).Seconds())
		}()
		next.ServeHTTP(recorder, r)
	})
}

// knownMethod bounds the label: a client may send any word as a method.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// statusRecorder remembers the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (s *statusRecorder) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController and http.MaxBytesReader reach what is below.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
