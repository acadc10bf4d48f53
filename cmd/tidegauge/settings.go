package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/pflag"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/cmd/tidegauge/internal/config"
	"tidegauge/engine/document"
	"tidegauge/engine/history"
	"tidegauge/engine/plan"
	"tidegauge/engine/scrape"
	"tidegauge/engine/store"
)

// The environment variables of what flags and the configuration say too.
const (
	dataDirVariable = "TIDEGAUGE_DATA_DIR"
	listenVariable  = "TIDEGAUGE_LISTEN"
)

// defaultDataDir is where everything is kept if nobody says otherwise.
const defaultDataDir = "tidegauge-data"

// settings are the flags for what outlives a plan. A flag wins over the environment, and that over the configuration.
type settings struct {
	file          string
	dataDir       string
	listen        string
	defaultListen string
	retention     locustDuration
	allowHooks    []string
	out           outFlags

	daemon    bool // the command is one
	plans     string
	logFormat string
}

// newLogger writes lines for people or for programs to standard error.
func newLogger(c *console, format string) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(c.err, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(c.err, nil)), nil
	}
	return nil, fmt.Errorf("--log-format %s: expected text or json", format)
}

func (s *settings) registerConfig(flags *pflag.FlagSet) {
	flags.StringVar(&s.file, "config", "", "the configuration (default: $"+config.Variable+", ./tidegauge.yaml, /etc/tidegauge/tidegauge.yaml)")
	flags.StringVar(&s.dataDir, "data-dir", "", "where the store and the runs are kept (default: $"+dataDirVariable+", the configuration's, "+defaultDataDir+")")
}

func (s *settings) register(flags *pflag.FlagSet) {
	s.registerConfig(flags)
	usage := "serve the Prometheus query API and /metrics on this address, as " + demoListen + " (default: $" + listenVariable + ", the configuration's"
	if s.defaultListen != "" {
		usage += ", " + s.defaultListen
	}
	flags.StringVar(&s.listen, "listen", "", usage+")")
	s.out.register(flags)
}

// load reads the configuration, if there is one, and puts flags and the environment before it.
func (s *settings) load(c *console) (*config.Config, error) {
	file, err := config.Find(s.file, c.getenv)
	if err != nil {
		return nil, withCode(exitPlan, err)
	}
	env := func(name string) string { text, _ := c.getenv(name); return text }
	listen := cmp.Or(s.listen, env(listenVariable))
	conf := &config.Config{}
	if file != "" {
		if conf, err = readConfig(c, file, listen, s.defaultListen); err != nil {
			return nil, err
		}
	}
	conf.Listen = cmp.Or(listen, conf.Listen, s.defaultListen)
	conf.DataDir = cmp.Or(s.dataDir, env(dataDirVariable), conf.DataDir, defaultDataDir)
	conf.Retention.Time = cmp.Or(time.Duration(s.retention), conf.Retention.Time)
	return conf, nil
}

// appConfig returns the settings for the app, with the outlets of the command line beside those of the configuration.
func (s *settings) appConfig(c *console) (app.Config, error) {
	if asked := time.Duration(s.retention); asked > 0 && asked < config.LeastTime {
		return app.Config{}, withCode(exitUsage, fmt.Errorf("--retention %v: expected %gh at least: the latest one to three hours are kept anyway", asked, config.LeastTime.Hours()))
	}
	conf, err := s.load(c)
	if err != nil {
		return app.Config{}, err
	}
	a := app.Config{
		DataDir: conf.DataDir, Listen: conf.Listen, Retention: conf.Retention.Time, Size: conf.Retention.Size, Runs: runsOf(conf),
		Scrape: conf.Scrape, Host: conf.Host, Outlets: conf.Outlets, Announce: conf.Announce, Version: version(), AllowedHooks: s.allowHooks,
	}
	if s.daemon {
		if err := conf.Daemon.Beyond(conf.Listen); err != nil {
			return app.Config{}, withCode(exitPlan, err)
		}
		d := &conf.Daemon
		a.Daemon = &app.Daemon{Plans: cmp.Or(s.plans, d.Plans), Settings: d.Settings, Tokens: d.Tokens, Triggers: d.Triggers, Cert: d.Cert, Key: d.Key, Rules: d.Alerting.Rules, RuleInterval: d.Alerting.Interval, Receivers: d.Alerting.Receivers, URL: d.Alerting.URL}
		if a.Logger, err = newLogger(c, s.logFormat); err != nil {
			return app.Config{}, withCode(exitUsage, err)
		}
	}
	return a, s.out.add(c, &a)
}

// runsOf returns which runs are kept.
func runsOf(conf *config.Config) history.Retention {
	if conf.Retention.Runs == nil {
		return history.DefaultRetention()
	}
	return *conf.Retention.Runs
}

// readConfig reads and checks a configuration.
func readConfig(c *console, file, listen, defaultListen string) (*config.Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, withCode(exitPlan, fmt.Errorf("reading the configuration: %w", err))
	}
	conf, err := config.Parse(file, text, config.Options{
		Getenv: c.getenv, Listen: listen, Default: defaultListen,
		CheckPromQL: store.CheckComparison,
		CheckScrape: func(listen, dir string, job []byte) error {
			return scrape.Rules{Interval: scrape.AlwaysInterval, Listen: listen}.Check(dir, job)
		},
	})
	return conf, mistaken(file, err)
}

// readPlan reads and checks a plan for a process with this configuration, and with the jobs whose series are always there; every error of it is the plan's.
func readPlan(c *console, file string, listen string, always []string) (*plan.Plan, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, withCode(exitPlan, fmt.Errorf("reading the plan: %w", err))
	}
	o := plan.Options{Getenv: c.getenv, CheckPromQL: store.CheckComparison, CheckScrape: scrape.Rules{Listen: listen}.Check, Jobs: always}
	p, err := plan.Parse(file, source, o)
	return p, mistaken(file, err)
}

// mistaken adds to the mistakes of a file how many they are.
func mistaken(file string, err error) error {
	if mistakes, ok := errors.AsType[document.Errors](err); ok {
		err = fmt.Errorf("%w\n%s in %s; nothing was sent", err, plural(len(mistakes), "mistake"), file)
	}
	return withCode(exitPlan, err)
}
