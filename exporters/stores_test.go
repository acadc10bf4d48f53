package exporters

import (
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidegauge/engine/outlet"
)

// destinationTest is a real store and what it must hold after a run.
type destinationTest struct {
	name     string
	open     func(*testing.T) (*server, error)
	spec     func(*testing.T, *server) string      // once it has been started
	holds    func(t *testing.T, s *server, l *lab) // compares everything in it with everything in the embedded store
	signal   syscall.Signal                        // ends it
	promQL   bool
	anchored bool // it has the modifier of that name

	server *server
	outlet string
}

func prometheusOf(r release, flags ...string) func(*testing.T) (*server, error) {
	return func(t *testing.T) (*server, error) { return newPrometheus(t, r, "", flags...) }
}

func remoteWrite(options string) func(*testing.T, *server) string {
	return func(_ *testing.T, s *server) string { return "prometheus=" + s.url() + "/api/v1/write" + options }
}

func overOTLP(_ *testing.T, s *server) string { return "otlp=" + s.url() + "/api/v1/otlp" }

// destinations returns all stores. VictoriaMetrics is not killed but asked to end: it acknowledges what it has not written yet
// and would lose the last seconds of that, of which no sender can know.
func destinations() []*destinationTest {
	return []*destinationTest{
		{name: "Prometheus 2.42", open: prometheusOf(prometheus2, "--enable-feature=native-histograms"), spec: remoteWrite(""), holds: prometheusHolds, signal: syscall.SIGKILL, promQL: true},
		{name: "Prometheus 3.16", anchored: true, open: prometheusOf(prometheus3), spec: remoteWrite(""), holds: prometheusHolds, signal: syscall.SIGKILL, promQL: true},
		{name: "Prometheus 3.16, remote write 2.0", anchored: true, open: prometheusOf(prometheus3), spec: remoteWrite("?protocol=2"), holds: prometheusHolds, signal: syscall.SIGKILL, promQL: true},
		{name: "Prometheus 3.16, OTLP", anchored: true, open: prometheusOf(prometheus3, "--web.enable-otlp-receiver"), spec: overOTLP, holds: prometheusHolds, signal: syscall.SIGKILL, promQL: true},
		{name: "VictoriaMetrics", open: newVictoriaMetrics, spec: remoteWrite("?histograms=classic"), holds: classicHolds, signal: syscall.SIGINT},
		{name: "InfluxDB", open: newInfluxDB, spec: influxSpec, holds: influxHolds, signal: syscall.SIGKILL},
		{name: "VictoriaMetrics, lines of Influx", open: newVictoriaMetrics, spec: linesSpec, holds: linesHold, signal: syscall.SIGINT},
	}
}

func influxSpec(t *testing.T, s *server) string {
	s.get("/query", url.Values{"q": {`CREATE DATABASE load`}})
	return "influxdb=" + asVersion2(t, s).URL + "?org=ops&bucket=load&buckets=true"
}

func linesSpec(_ *testing.T, s *server) string {
	return "influxdb=" + s.url() + "?org=ops&bucket=load&buckets=true"
}

// startAll starts the stores that are installed, and returns them with the descriptions of outlets to them.
func startAll(t *testing.T) (list []*destinationTest, specs []string) {
	t.Helper()
	for _, d := range destinations() {
		s, err := d.open(t)
		if err != nil && os.Getenv("CI") != "true" {
			t.Log(err)
			continue
		}
		skip(t, err)
		s.start()
		d.server = s
		spec := d.spec(t, s)
		o, err := describe(specsOf(t, spec)[0], "", noEnv, identity{})
		if err != nil {
			t.Fatal(err)
		}
		d.outlet = o.name
		list, specs = append(list, d), append(specs, spec)
	}
	if len(list) == 0 {
		t.Skip("NOT TESTED: no store is installed")
	}
	return list, specs
}

func all(list []*destinationTest, do func(*destinationTest)) {
	var doing sync.WaitGroup
	for _, d := range list {
		doing.Go(func() { do(d) })
	}
	doing.Wait()
}

func (d *destinationTest) stop() { d.server.stop(d.signal) }

func (d *destinationTest) start() { d.server.start() }

// booksOf returns the books of one destination.
func (d *destinationTest) booksOf(t *testing.T, list []outlet.Books) outlet.Books {
	t.Helper()
	for _, b := range list {
		if b.Outlet == d.outlet {
			return b
		}
	}
	t.Fatalf("no books of %s in %v", d.outlet, list)
	return outlet.Books{}
}

// TestStoresHoldTheRun: everything of a run is in each store, although all of them are killed in its middle and come back: for
// three seconds, or with TIDEGAUGE_LONG=1 for a minute. Samples are sent when they are 5 s old: the outage begins after that.
func TestStoresHoldTheRun(t *testing.T) {
	t.Parallel()
	list, specs := startAll(t)
	lasting, away, back := 11*time.Second, 7, 10
	if os.Getenv("TIDEGAUGE_LONG") != "" {
		lasting, away, back = 90*time.Second, 15, 75
	}
	l := openLab(t, t.TempDir(), 2*time.Minute, specs...)
	r := l.run(lasting, map[int]func(){
		away: func() { all(list, (*destinationTest).stop) },
		back: func() { all(list, (*destinationTest).start) },
	})
	for _, d := range list {
		t.Run(d.name, func(t *testing.T) {
			complete(t, []outlet.Books{d.booksOf(t, r.Outlets)})
			d.holds(t, d.server, l)
			if d.promQL {
				nothingLingers(t, d, r)
			}
			if m := l.messages(d.outlet); len(m) != 2 {
				t.Errorf("messages %q, want one of the outage and one of its end", m)
			}
		})
	}
}

// TestStoresAwayForTheWholeRun: the next process sends what is waiting.
func TestStoresAwayForTheWholeRun(t *testing.T) {
	t.Parallel()
	list, specs := startAll(t)
	all(list, (*destinationTest).stop)
	dir := t.TempDir()
	l := openLab(t, dir, 3*time.Second, specs...)
	r := l.run(3*time.Second, nil)
	waiting := map[string]uint64{}
	for _, d := range list {
		b := d.booksOf(t, r.Outlets)
		if b.Sent != 0 || b.Lost != 0 || b.Waiting == 0 || b.Waiting != b.Produced || !b.Balanced || b.LastError == "" {
			t.Errorf("with nobody there: %+v", b)
		}
		waiting[d.name] = b.Waiting
		if m := l.messages(d.outlet); len(m) != 2 {
			t.Errorf("messages %q, want one of the outage and one of what is waiting", m)
		}
	}
	l.end()

	all(list, (*destinationTest).start)
	l = openLab(t, dir, 2*time.Minute, specs...)
	l.set.Begin(t.Context())
	books := l.set.Flush(t.Context())
	for _, d := range list {
		t.Run(d.name, func(t *testing.T) {
			b := d.booksOf(t, books)
			complete(t, []outlet.Books{b})
			if b.WaitingBefore != waiting[d.name] {
				t.Errorf("%d were waiting for the next process, want %d", b.WaitingBefore, waiting[d.name])
			}
			d.holds(t, d.server, l)
		})
	}
}

// TestServersOfAnOlderProtocol: nothing is lost on those that do not know remote write 2.0; the message says what to do.
func TestServersOfAnOlderProtocol(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) (*server, error){
		"Prometheus 2.42":                  prometheusOf(prometheus2),
		"VictoriaMetrics":                  newVictoriaMetrics,
		"Prometheus 3.16 told to take 1.0": prometheusOf(prometheus3, "--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest"),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open(t)
			skip(t, err)
			s.start()
			l := openLab(t, t.TempDir(), time.Minute, remoteWrite("?protocol=2")(t, s))
			put(t, l, 3)
			l.set.Begin(t.Context())
			b := l.set.Flush(t.Context())[0]
			if b.Sent != 0 || b.Lost != 0 || b.Waiting == 0 || !b.Balanced {
				t.Errorf("books %+v", b)
			}
			const want = "this server takes remote write 1.0 only: leave protocol=2 out of the address"
			if m := fmt.Sprint(l.messages(b.Outlet)); len(l.messages(b.Outlet)) != 2 || !strings.Contains(m, want) {
				t.Errorf("messages %s, want one with %q and one of what is waiting", m, want)
			}
		})
	}
}
