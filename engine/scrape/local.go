package scrape

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	config_util "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// Local is a target in this process. It is scraped like any other, but without the network.
type Local struct {
	Job, Instance string        // the labels of its series
	Interval      time.Duration // default: DefaultInterval
	Handler       http.Handler  // answers with metrics; it may be asked from several goroutines at once
	Err           func() error  // why the handler's last answer was not one with metrics; nil if it was
}

// localSuffix ends the host names of local targets; no name in a network ends like that (RFC 6761).
const localSuffix = ".local-target.invalid"

// locals are the local targets of a scraper by the names of their jobs in the scraper's configuration, which are their host
// names, too, and unlike any other's: the label job of a local target may be that of another job.
type locals struct{ byName map[string]*Local }

func newLocals(list []Local) locals {
	l := locals{byName: map[string]*Local{}}
	for i := range list {
		l.byName[fmt.Sprintf("%d%s", i, localSuffix)] = &list[i]
	}
	return l
}

// jobs returns the configuration of the local targets.
func (l *locals) jobs() ([]*config.ScrapeConfig, error) {
	var jobs []*config.ScrapeConfig
	for _, host := range slices.Sorted(maps.Keys(l.byName)) {
		t := l.byName[host]
		c := config.DefaultScrapeConfig
		c.JobName = host
		if c.ScrapeInterval = model.Duration(t.Interval); t.Interval == 0 {
			c.ScrapeInterval = model.Duration(DefaultInterval)
		}
		c.ServiceDiscoveryConfigs = discovery.Configs{discovery.StaticConfig{&targetgroup.Group{
			Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(host)}},
			Labels:  model.LabelSet{model.JobLabel: model.LabelValue(t.Job), model.InstanceLabel: model.LabelValue(t.Instance)},
		}}}
		if err := (Rules{}).complete("", &c); err != nil {
			return nil, fmt.Errorf("job %s: %w", t.Job, err)
		}
		jobs = append(jobs, &c)
	}
	return jobs, nil
}

// serve answers the local targets until stop is called. The options make a scraper reach them; they are nil without any.
//
// permit, if there is one, is asked before every other connection. Then nothing else is reached: no unix socket, which
// Prometheus would take from a label, since our dial comes before its own, and no token endpoint.
func (l *locals) serve(permit func(address string) error) (options []config_util.HTTPClientOption, stop func()) {
	var elsewhere net.Dialer
	guarded := func(ctx context.Context, network, address string) (net.Conn, error) {
		if permit != nil {
			if err := permit(address); err != nil {
				return nil, err
			}
		}
		return elsewhere.DialContext(ctx, network, address)
	}
	if len(l.byName) == 0 && permit == nil {
		return nil, func() {}
	}
	if len(l.byName) == 0 {
		return []config_util.HTTPClientOption{config_util.WithDialContextFunc(guarded)}, func() {}
	}
	connections := &pipes{accept: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{ReadHeaderTimeout: DefaultTimeout, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := strings.Cut(r.Host, ":")
		if t, ok := l.byName[host]; ok {
			t.Handler.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(connections) }) // its error is that it was closed
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(address); err != nil || !strings.HasSuffix(host, localSuffix) {
			return guarded(ctx, network, address)
		}
		return connections.dial(ctx)
	}
	return []config_util.HTTPClientOption{config_util.WithDialContextFunc(dial)}, func() {
		_ = server.Close() // closes connections, which cannot fail
		serving.Wait()
	}
}

// pipes is a net.Listener whose connections are made in memory.
type pipes struct {
	accept chan net.Conn
	once   sync.Once
	closed chan struct{}
}

var errPipesClosed = errors.New("this process does not answer any more")

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	var err error
	select {
	case p.accept <- theirs:
		return ours, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.closed:
		err = errPipesClosed
	}
	return nil, errors.Join(err, ours.Close(), theirs.Close())
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "in this process" }
