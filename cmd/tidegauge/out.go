package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/exporters"
)

// outVariable holds outlets for those who set --out nowhere, separated by spaces.
const outVariable = "TIDEGAUGE_OUT"

// outFlags are the outlets of a command.
type outFlags struct {
	specs    []string
	required bool
	wait     locustDuration
}

func (f *outFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.specs, "out", nil, "also send everything to this store, as prometheus=http://HOST:9090/api/v1/write,\ninfluxdb=http://HOST:8086?org=ORG&bucket=BUCKET, otlp=http://HOST:4318 or otlp=grpc://HOST:4317;\ngrafana=http://HOST:3000 gets annotations (tokens: PROMETHEUS_TOKEN, INFLUX_TOKEN,\nOTEL_EXPORTER_OTLP_HEADERS, GRAFANA_TOKEN); repeatable; default: $"+outVariable)
}

// registerRun adds what concerns the end of a run.
func (f *outFlags) registerRun(flags *pflag.FlagSet) {
	f.wait = locustDuration(10 * time.Second)
	flags.VarP(&f.wait, "out-wait", "", "how long to wait at the end for what is still to be sent")
	flags.BoolVar(&f.required, "out-required", false, "the run does not pass when not everything measured has arrived at every outlet")
}

// add puts the outlets of the command line, or else of the environment, beside those there are. What is wrong with their
// descriptions is the command line's.
func (f *outFlags) add(c *console, a *app.Config) error {
	specs, from := f.specs, "--out"
	if len(specs) == 0 {
		text, _ := c.getenv(outVariable)
		specs, from = strings.Fields(text), "$"+outVariable
	}
	for _, text := range specs {
		spec, err := exporters.ParseSpec(text, from)
		if err != nil {
			return withCode(exitUsage, err)
		}
		a.Outlets = append(a.Outlets, spec)
	}
	if f.required && len(a.Outlets) == 0 {
		return withCode(exitUsage, fmt.Errorf("--out-required needs --out KIND=ADDRESS, %s, or outlets in the configuration", outVariable))
	}
	for i := range a.Outlets {
		a.Outlets[i].Required = a.Outlets[i].Required || f.required
	}
	if err := exporters.Check(a.Outlets, a.Listen, c.getenv); err != nil {
		return withCode(exitUsage, err)
	}
	a.OutletsWait, a.Getenv = time.Duration(f.wait), c.getenv
	a.Notify = func(text string) { fmt.Fprintln(c.err, "tidegauge: "+text) }
	if a.Daemon != nil {
		a.Notify = func(text string) {
			if warning, ok := strings.CutPrefix(text, "WARNING: "); ok {
				a.Logger.Warn(warning)
			} else {
				a.Logger.Info(text)
			}
		}
	}
	return nil
}
